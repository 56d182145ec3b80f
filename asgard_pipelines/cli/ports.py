"""Ports of this machine: free, or who listens on them."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from asgard_pipelines.errors import Conflict
from asgard_pipelines.settings import Settings

HOST = "127.0.0.1"
"""Nothing but the API, where it asks for tokens, is bound to an address that another machine could reach."""


@dataclass(frozen=True)
class Holder:
    """Who listens on a port. `pid` and `command` are None when the system does not say."""

    port: int
    pid: int | None
    command: str | None

    def __str__(self) -> str:
        if self.pid is None:
            return "a process of another user"
        return f"process {self.pid}" + (f" ({self.command})" if self.command else "")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that is free now; the system chooses it."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def holder(port: int) -> Holder | None:
    """Who listens on `port`; None when it is free."""
    if is_free(port):
        return None
    import psutil

    try:
        found = [c for c in psutil.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        pid = next((c.pid for c in found if c.laddr and c.laddr.port == port), None)
        command = " ".join(psutil.Process(pid).cmdline()[:4]) if pid else None
    except psutil.Error:
        return Holder(port, None, None)
    return Holder(port, pid, command)


def own_ports(settings: Settings) -> dict[str, tuple[int, str]]:
    """What `asgard up` listens on: name -> (port, the variable that chooses another)."""
    ports = {
        "the API": (settings.api_port, "ASGARD_API_PORT"),
        "Dagster's UI": (settings.dagster_port, "ASGARD_DAGSTER_PORT"),
    }
    if serves_mlflow(settings):
        ports["MLflow's UI"] = (settings.mlflow_port, "ASGARD_MLFLOW_PORT")
    return ports


def serves_mlflow(settings: Settings) -> bool:
    """False when the store is a server already: then its own UI is the one to look at."""
    return not settings.tracking_uri.startswith(("http://", "https://"))


def require_free_ports(settings: Settings) -> None:
    """
    Raises:
        Conflict: a port is taken; says by whom, and how to choose another.
    """
    ports = own_ports(settings)
    numbers = [port for port, _ in ports.values()]
    for name, (port, variable) in ports.items():
        sharing = [other for other, (number, _) in ports.items() if number == port]
        if name != sharing[0]:
            raise Conflict(f"{sharing[0]} and {name} cannot share port {port}. Set {variable} to another.")
    taken = {name: held for name, (port, _) in ports.items() if (held := holder(port))}
    if not taken:
        return
    lines = [
        f"Port {held.port}, for {name}, is taken by {held}. "
        f"Choose another: {ports[name][1]}={_next_free(held.port, numbers)}"
        for name, held in taken.items()
    ]
    raise Conflict("\n".join(lines), ports={name: held.port for name, held in taken.items()})


def _next_free(port: int, chosen: list[int]) -> int:
    candidates = range(port + 1, min(port + 100, 65536))
    return next((n for n in candidates if n not in chosen and is_free(n)), 0) or free_port()
