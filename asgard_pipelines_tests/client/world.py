"""A project with the integration guide's views, and one of two keys with all kinds of values, served."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pytest
import uvicorn

from asgard_pipelines.api import create_app
from asgard_pipelines.cli.features.landings import land_generated
from asgard_pipelines.cli.features.synthetic import synthetic_tables
from asgard_pipelines.declarations import Declarations
from asgard_pipelines.features.materialization import materialize
from asgard_pipelines.lakehouse import Lakehouse
from asgard_pipelines.project import init, load
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import create_token
from asgard_pipelines_tests.serving import until

DEMO = Path(__file__).parents[2] / "feature_repo"
NOW = datetime.now(UTC).replace(tzinfo=None, microsecond=123456)
TABLES = ("customer_features", "customer_demographics", "customer_contract")

VISITS = """
from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, ValueType
from feast.types import Array, Bool, Float64, Int64, String, UnixTimestamp
from views.customers import customer

from asgard_pipelines.features import gold

shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.INT64)
visits = FeatureView(
    name="visits", entities=[customer, shop], ttl=timedelta(days=1), online=True,
    source=gold("visits", timestamp_field="at"),
    schema=[
        Field(name="count", dtype=Int64),
        Field(name="share", dtype=Float64),
        Field(name="member", dtype=Bool),
        Field(name="last", dtype=UnixTimestamp),
        Field(name="words", dtype=Array(String)),
    ],
)
shops = FeatureView(
    name="shop_features", entities=[shop], ttl=timedelta(days=1), online=True,
    source=gold("shops", timestamp_field="at"), schema=[Field(name="size", dtype=Int64)],
)
visited = FeatureService(name="visited", features=[visits, shops])
"""


@dataclass
class World:
    settings: Settings
    lakehouse: Lakehouse
    declarations: Declarations
    token: str
    address: str

    @property
    def over_rest(self) -> Settings:
        return self.settings.model_copy(
            update={"client_url": self.address, "client_token": type(self.settings.client_token)(self.token)}
        )


def make_project(folder: Path) -> Path:
    """Its repo, `feature_repo`, with the integration guide's views and no others."""
    repo = folder / "feature_repo"
    init(repo, empty=True)
    for name in ("customers", "churn"):
        shutil.copy(DEMO / "views" / f"{name}.py", repo / "views")
    for name in TABLES:
        shutil.copy(DEMO / "gold" / f"{name}.yaml", repo / "gold")
    project = "project = Project(name='feature_repo')\n"
    imports = "from feast import Project\nfrom views.churn import *\nfrom views.customers import customer\n"
    (repo / "repo.py").write_text(f"{imports}\n{project}")
    return repo


def lay_visits(lakehouse: Lakehouse) -> None:
    times = [NOW, NOW, NOW - timedelta(days=3)]
    visits = {
        "customer_id": ["CUST_000001", "CUST_000001", "CUST_000002"],
        "shop_id": [1, 2, 1],
        "count": [3, None, 5],
        "share": [0.25, float("nan"), 1.0],
        "member": [True, False, None],
        "last": pa.array([datetime(2024, 6, 30, 15, 45, 23), NOW, None], pa.timestamp("us")),
        "words": [["a", None, "ü"], [], None],
        "at": pa.array(times, pa.timestamp("us")),
    }
    lakehouse.append("gold.visits", pa.table(visits), key="first")
    shops = {"shop_id": [1, 2], "size": [10, 20], "at": pa.array([NOW, NOW], pa.timestamp("us"))}
    lakehouse.append("gold.shops", pa.table(shops), key="first")


@contextmanager
def served_world(folder: Path) -> Iterator[World]:
    """With `ASGARD_AUTH=on`; the API runs in a thread of this process."""
    repo = make_project(folder)
    (repo / "views" / "visits.py").write_text(VISITS)
    declared = (repo / "repo.py").read_text()
    (repo / "repo.py").write_text(f"from views.visits import *\n{declared}")
    with pytest.MonkeyPatch.context() as environment:
        for name in ("ASGARD_CLIENT_URL", "ASGARD_CLIENT_TOKEN", "MLFLOW_TRACKING_URI"):
            environment.delenv(name, raising=False)
        environment.setenv("ASGARD_REPO", str(repo))
        environment.setenv("ASGARD_HOME", str(folder / "home"))
        environment.setenv("ASGARD_AUTH", "on")
        settings = Settings.read()
        lakehouse = Lakehouse(settings)
        lay_visits(lakehouse)
        bring_online(settings, lakehouse)
        token = create_token(settings, "program", ["features:read"], timedelta(days=1))
        with served(settings) as address:
            yield World(settings, lakehouse, load(settings), token, address)


def bring_online(settings: Settings, lakehouse: Lakehouse) -> None:
    """Lands the generated rows, and brings every view online."""
    declarations = load(settings)
    for name, rows in synthetic_tables(30, 3, 7).items():
        land_generated(lakehouse, declarations, name, rows)
    for view in declarations.views:
        if view.online and lakehouse.exists(view.table):
            materialize(settings, lakehouse, declarations, view, lakehouse.pin(view.table))


@contextmanager
def served(settings: Settings) -> Iterator[str]:
    server = uvicorn.Server(uvicorn.Config(create_app(settings), port=0, log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive(), 60)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
