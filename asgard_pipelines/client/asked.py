"""What a program asks for, however it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from asgard_pipelines.errors import Invalid

if TYPE_CHECKING:
    import pyarrow as pa

    from asgard_pipelines.client.online_features import OnlineFeatures

ONLINE_SERVICE = "churn_prediction_online"
TRAINING_SERVICE = "churn_prediction_v1"
TIME = "event_timestamp"


@dataclass(frozen=True)
class Asked:
    """All features of a service; or `features`, each as `view:feature`, and then of no service."""

    service: str | None
    features: tuple[str, ...] = ()
    full_names: bool = False


class Backend(Protocol):
    """Where features come from. Raises what `asgard_pipelines.errors` holds, and nothing else on purpose."""

    def feature_views(self) -> list[str]:
        """Names, sorted; on-demand views are among them."""

    def feature_services(self) -> list[str]: ...

    def service_features(self, name: str) -> list[str]:
        """`view:feature`, in the service's order."""

    def key_columns(self) -> set[str]:
        """What a column of keys may be called: entities' names, and their join keys."""

    def online(self, asked: Asked, entities: Mapping[str, Sequence[Any]], rows: int) -> OnlineFeatures:
        """`entities`: entity or join key -> a value for each of `rows`."""

    def history(self, asked: Asked, keys: pa.Table) -> pa.Table:
        """`keys`: columns of keys, and `event_timestamp` (UTC). A column for each feature, in their order."""

    def close(self) -> None: ...


def asked(
    feature_service: str | None, features: Sequence[str] | None, full_feature_names: bool, default: str
) -> Asked:
    """`features` go before the service; where neither is given, the `default` one is asked."""
    if features is not None:
        return Asked(None, tuple(features), full_feature_names)
    return Asked(feature_service or default, (), full_feature_names)


def entity_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows as columns, numpy's values as Python's. Raises Invalid: no rows, or they name several keys."""
    if isinstance(rows, Mapping) or not rows:
        raise Invalid(
            "Give a list of at least one row, such as [{'customer_id': 'CUST_000123'}].", field="entity_rows"
        )
    names = rows[0].keys()
    for place, row in enumerate(rows):
        if row.keys() != names:
            raise Invalid(
                f"Row {place} names {', '.join(sorted(row)) or 'nothing'}, and the first row "
                f"{', '.join(sorted(names)) or 'nothing'}: all rows name the same keys.",
                field="entity_rows",
                row=place,
            )
    return {name: [plain(row[name]) for row in rows] for name in names}


def plain(value: Any) -> Any:
    """A value of numpy as Python's own."""
    return value.item() if hasattr(value, "dtype") and hasattr(value, "item") else value
