"""A small shop of its own: sales land by month, who buys again is learnt and predicted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.lakehouse import Lakehouse, TimeRange
from asgard_pipelines.settings import Settings

REPO = Path(__file__).parent / "shop"


class Shop:
    """One project in a temporary home, and somebody else who writes its external table."""

    def __init__(self, settings: Settings) -> None:
        from asgard_pipelines.graph import prepare_instance
        from asgard_pipelines.project import load

        self.settings = settings
        self.month = datetime(2023, 12, 1)
        """The newest month that has landed."""
        self.lakehouse = Lakehouse(settings)
        self.declarations: Declarations = load(settings)
        prepare_instance(settings)

    def land(self) -> str:
        """The sales of the next month, as one snapshot; the month."""
        self.month = (self.month + timedelta(days=31)).replace(day=1)
        month = f"{self.month:%Y-%m}"
        self.lakehouse.append("gold.sales", sales(month), key=f"sales {month}")
        return month

    def restate(self, month: str) -> None:
        """One customer's sales of an old month get another amount, in one commit."""
        start = datetime.strptime(month, "%Y-%m")
        span = [TimeRange("sold_at", start, start + timedelta(days=27))]
        rows = self.lakehouse.read_table(self.lakehouse.pin("gold.sales"), where=span)
        doubled = pa.array([amount * 3 for amount in rows["amount"].to_pylist()], pa.float64())
        rows = rows.set_column(rows.schema.get_field_index("amount"), "amount", doubled)
        self.lakehouse.overwrite("gold.sales", rows, where=span, key=f"restate {month} after {self.month}")

    def compact(self) -> None:
        """The same rows in one file."""
        rows = self.lakehouse.read_table(self.lakehouse.pin("gold.sales"))
        self.lakehouse.overwrite("gold.sales", rows.sort_by("sold_at"), key=f"compaction after {self.month}")

    def rows(self, table: str) -> list[dict[str, object]]:
        found: list[dict[str, object]] = self.lakehouse.read_table(self.lakehouse.pin(table)).to_pylist()
        return found


def sales(month: str) -> pa.Table:
    """60 customers; a customer's number decides how often they come back."""
    start = datetime.strptime(month, "%Y-%m")
    random = np.random.default_rng(int(month.replace("-", "")))
    customer = np.arange(60)
    bought = random.random(60) < 0.1 + 0.8 * customer / 60
    days = random.integers(0, 27, 60)
    return pa.table(
        {
            "customer_id": pa.array([f"C{c:02}" for c in customer[bought]]),
            "sold_at": pa.array([start + timedelta(days=int(d)) for d in days[bought]], pa.timestamp("us")),
            "amount": pa.array(random.integers(1, 50, int(bought.sum())).astype("float64")),
        }
    )


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every shop starts from: declarations compiled and applied, MLflow's empty tables made.
    All take seconds, and none is what these tests are about."""
    from asgard_pipelines.features import apply
    from asgard_pipelines.models import ModelRegistry
    from asgard_pipelines.project import load

    folder = tmp_path_factory.mktemp("founded")
    shutil.copytree(REPO, folder / "shop")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ASGARD_REPO", str(folder / "shop"))
        environment.setenv("ASGARD_HOME", str(folder / "home"))
        settings = Settings.read()
        load(settings)
        apply(settings)
        ModelRegistry(settings).versions()
    return folder


@pytest.fixture(scope="module")
def shop(founded: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop with sales from 2024-01 to 2024-09, which the tests of a module share: each lands what
    it needs on top."""
    home = tmp_path_factory.mktemp("shop") / "home"
    shutil.copytree(founded / "home", home)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ASGARD_REPO", str(founded / "shop"))
        environment.setenv("ASGARD_HOME", str(home))
        environment.setenv("DAGSTER_HOME", str(home / "dagster"))
        opened = Shop(Settings.read())
        for _ in range(9):
            opened.land()
        yield opened
