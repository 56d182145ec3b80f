"""`prefix:feature` means what people expect, and what may mean two things is asked back."""

from __future__ import annotations

from typing import Any

import pytest

from asgard_pipelines.declarations import (
    Declarations,
    Entity,
    Feature,
    FeatureService,
    FeatureView,
    ServiceView,
    Where,
)
from asgard_pipelines.errors import ColumnNotFound, DeclarationNotFound, FeatureViewNotFound, Invalid
from asgard_pipelines.features import asked_features

HERE = Where(file="views.py")


def _view(name: str, features: str, entity: str = "customer", **tags: str) -> FeatureView:
    return FeatureView(
        name=name,
        where=HERE,
        entities=[entity],
        join_keys={f"{entity}_id": f"{entity}_id"},
        features=[Feature(name=one, dtype="int64", column=one) for one in features.split()],
        table=f"gold.{name}",
        timestamp="at",
        tags=tags,
    )


@pytest.fixture(scope="module")
def declarations() -> Declarations:
    entities = [
        Entity(name=name, where=HERE, join_key=f"{name}_id", dtype="int64")
        for name in ("customer", "pipeline", "store")
    ]
    views = [
        _view("customer_features", "age segment"),
        _view("transaction_features", "total_count_30d age"),
        _view("support", "tickets"),
        _view("runs_7d", "success_rate_7d", "pipeline"),
        _view("by_store", "turnover", "store", alias="shop"),
        _view("by_store_too", "turnover rent", "store"),
    ]
    served = [
        ServiceView(view="customer_features", features=["age"]),
        ServiceView(view="by_store_too", features=["turnover"]),
    ]
    service = FeatureService(name="churn", where=HERE, views=served)
    return Declarations(project="p", entities=entities, views=views, services=[service])


def _found(declarations: Declarations, *features: str, service: str | None = None, full: bool = False) -> Any:
    asked = asked_features(declarations, features, service, full)
    return [(f"{one.ref.view}:{one.ref.feature}", one.name) for one in asked]


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("customer_features:age", "customer_features:age"),
        ("transaction_features:age", "transaction_features:age"),
        ("customer:age", "customer_features:age"),
        ("customers:age", "customer_features:age"),
        ("transactions:total_count_30d", "transaction_features:total_count_30d"),
        ("shop:turnover", "by_store:turnover"),
        ("customer:tickets", "support:tickets"),
        ("customer_id:tickets", "support:tickets"),
        ("pipeline:success_rate_7d", "runs_7d:success_rate_7d"),
        ("store:rent", "by_store_too:rent"),
    ],
)
def test_a_prefix_is_a_view_an_alias_a_view_of_features_or_an_entity(
    declarations: Declarations, asked: str, meant: str
) -> None:
    name = asked.split(":")[1]
    assert _found(declarations, asked) == [(meant, name)]
    assert _found(declarations, asked, full=True) == [(meant, asked.replace(":", "__"))]


def test_what_may_mean_two_views_lists_them(declarations: Declarations) -> None:
    with pytest.raises(Invalid, match="by_store:turnover or by_store_too:turnover") as refused:
        _found(declarations, "store:turnover")
    assert refused.value.details["candidates"] == ["by_store:turnover", "by_store_too:turnover"]
    assert _found(declarations, "store:turnover", service="churn") == [("by_store_too:turnover", "turnover")]


def test_a_service_alone_gives_all_of_it_and_with_features_these_if_it_has_them(
    declarations: Declarations,
) -> None:
    assert _found(declarations, service="churn") == [
        ("customer_features:age", "age"),
        ("by_store_too:turnover", "turnover"),
    ]
    assert _found(declarations, service="churn", full=True)[0][1] == "customer_features__age"
    assert _found(declarations, "customer:age", service="churn") == [("customer_features:age", "age")]
    with pytest.raises(
        Invalid, match=r"'customer:segment' \(customer_features:segment\) is none of the service"
    ):
        _found(declarations, "customer:segment", service="churn")


def test_what_there_is_not_is_named_with_what_there_is(declarations: Declarations) -> None:
    with pytest.raises(FeatureViewNotFound, match="Did you mean 'customer_features'") as no_view:
        _found(declarations, "custmer_features:age")
    assert "support" in no_view.value.details["available_views"]
    with pytest.raises(ColumnNotFound, match="Did you mean 'segment'"):
        _found(declarations, "customer:segmnt")
    with pytest.raises(ColumnNotFound, match="'customer_features'"):
        _found(declarations, "customer_features:tickets")
    with pytest.raises(DeclarationNotFound, match="Did you mean 'churn'"):
        _found(declarations, service="churm")
    for wrong in ("age", ":age", "customer:", "a:b:c", ""):
        with pytest.raises(Invalid, match="is no feature"):
            _found(declarations, wrong)
    with pytest.raises(Invalid, match="Name a `feature_service`"):
        _found(declarations)


def test_two_of_one_name_need_full_names(declarations: Declarations) -> None:
    both = ("customer_features:age", "transaction_features:age")
    with pytest.raises(Invalid, match="would both be called 'age': ask with `full_feature_names`"):
        _found(declarations, *both)
    assert [name for _, name in _found(declarations, *both, full=True)] == [
        "customer_features__age",
        "transaction_features__age",
    ]
    with pytest.raises(Invalid, match="is asked twice"):
        _found(declarations, "customer:age", "customer:age", full=True)
