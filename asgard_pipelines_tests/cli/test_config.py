"""`asgard config`: where each setting came from, and addresses that work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from asgard_pipelines.cli.config import masked

AsgardJson = Callable[..., tuple[int, Any]]


def test_plain_pyiceberg_opens_the_catalog_with_what_config_says(asgard_json: AsgardJson) -> None:
    from pyiceberg.catalog import load_catalog

    from asgard_pipelines.lakehouse import Lakehouse
    from asgard_pipelines.settings import Settings

    Lakehouse(Settings.read()).tables()
    _, document = asgard_json("config")
    catalog = load_catalog(document["catalog_name"], **document["catalog"])
    assert catalog.list_namespaces() == [("gold",)]


def test_a_setting_says_which_variable_gave_it(
    asgard_json: AsgardJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLD_SCHEMA", "marts")
    _, document = asgard_json("config")
    assert document["settings"]["gold_schema"]["value"] == "marts"
    assert document["settings"]["gold_schema"]["source"] == "GOLD_SCHEMA"
    assert document["settings"]["threads"]["source"] == "default"


def test_where_two_names_are_set_ours_wins_and_config_says_so(
    asgard: Callable[..., tuple[int, str, str]], asgard_json: AsgardJson, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOLD_SCHEMA", "marts")
    monkeypatch.setenv("ASGARD_GOLD_SCHEMA", "gold")
    _, document = asgard_json("config")
    assert document["settings"]["gold_schema"]["value"] == "gold"
    assert document["settings"]["gold_schema"]["ignored"] == ["GOLD_SCHEMA"]
    assert "ASGARD_GOLD_SCHEMA wins over GOLD_SCHEMA" in asgard("config")[1]


def test_a_password_is_never_shown(
    asgard: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_CATALOG_URI", "postgresql+psycopg2://anna:s3cret@db:5432/iceberg")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://anna:s3cret@mlflow.example.com")
    monkeypatch.setenv("ASGARD_ONLINE_STORE", "rediss://anna:s3cret@redis.example.com:6379/1")
    for arguments in (["config"], ["config", "--json"]):
        _, out, err = asgard(*arguments)
        assert "s3cret" not in out + err
        assert "anna" in out


def test_an_address_that_is_none_is_refused_without_its_password(
    asgard: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASGARD_ONLINE_STORE", "reddis://anna:s3cret@redis.example.com")
    code, out, err = asgard("config")
    assert code == 2
    assert "ASGARD_ONLINE_STORE=… cannot be used: it is no address of an online store" in out + err
    assert "s3cret" not in out + err


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sqlite:////a/b.db", "sqlite:////a/b.db"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("postgresql://u:p@h:5/d?x=1", "postgresql://u:•••@h:5/d?x=1"),
        ("/plain/folder", "/plain/folder"),
    ],
)
def test_an_address_stays_what_it_is_but_for_its_password(address: str, shown: str) -> None:
    assert masked(address) == shown
