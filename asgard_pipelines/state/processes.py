"""Which process does something, so that it is noticed when that one is no more."""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

import psutil


class Doer(NamedTuple):
    """A process: `started` tells it from a later one of the same number."""

    host: str
    pid: int
    started: float

    def is_gone(self) -> bool:
        """True if it ran on this machine and is no more; of another machine nothing is known."""
        if self.host != socket.gethostname():
            return False
        try:
            process = psutil.Process(self.pid)
            return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - self.started) > 1
        except psutil.NoSuchProcess:
            return True


def this_process() -> Doer:
    return Doer(socket.gethostname(), os.getpid(), psutil.Process().create_time())
