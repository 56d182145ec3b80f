"""Ports: who holds one is said before any work starts, and how to choose another."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from asgard_pipelines.cli.ports import HOST, free_port, holder, is_free, require_free_ports
from asgard_pipelines.errors import Conflict
from asgard_pipelines.settings import Settings


@pytest.fixture(autouse=True)
def others_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else runs on this machine."""
    for name in ("API", "DAGSTER", "MLFLOW"):
        monkeypatch.setenv(f"ASGARD_{name}_PORT", str(free_port()))


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_names_its_holder(taken: int) -> None:
    held = holder(taken)
    assert held is not None
    assert held.pid == os.getpid()
    assert f"process {os.getpid()}" in str(held)


def test_a_free_port_has_no_holder() -> None:
    port = free_port()
    assert is_free(port)
    assert holder(port) is None


@pytest.mark.parametrize(
    ("name", "variable"), [("the API", "ASGARD_API_PORT"), ("MLflow's UI", "ASGARD_MLFLOW_PORT")]
)
def test_the_demo_says_so_before_any_work(
    name: str,
    variable: str,
    taken: int,
    settings: Settings,
    asgard: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, str(taken))
    code, out, err = asgard("demo")
    assert (code, out) == (2, "")
    assert f"Port {taken}, for {name}, is taken by process {os.getpid()}" in err
    assert f"{variable}=" in err
    assert not settings.state_folder.exists()


def test_the_suggested_port_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as first, socket.socket() as second:
        first.bind((HOST, 0))
        first.listen()
        port = first.getsockname()[1]
        if is_free(port + 1):
            second.bind((HOST, port + 1))
            second.listen()
        monkeypatch.setenv("ASGARD_DAGSTER_PORT", str(port))
        with pytest.raises(Conflict) as refused:
            require_free_ports(Settings.read())
        assert is_free(int(refused.value.message.rsplit("=", 1)[1]))


@pytest.mark.parametrize("other", ["ASGARD_MLFLOW_PORT", "ASGARD_API_PORT"])
def test_one_port_for_two_is_refused(monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    monkeypatch.setenv("ASGARD_DAGSTER_PORT", "5005")
    monkeypatch.setenv(other, "5005")
    with pytest.raises(Conflict, match="cannot share port 5005"):
        require_free_ports(Settings.read())


def test_a_tracking_server_elsewhere_needs_no_port_here(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGARD_MLFLOW_PORT", str(taken))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example.com")
    require_free_ports(Settings.read())
