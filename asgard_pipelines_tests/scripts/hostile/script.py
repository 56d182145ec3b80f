"""A hostile script: it tries its ways, says ESCAPED of any that works, and at the end that it is DONE."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from asgard_pipelines.scripts.supervision import Ended

_PRELUDE = """
import ctypes, errno, glob, os, signal, socket, subprocess, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def attempt(name, way):
    "Runs one way; what it gives, unless it is nothing, has escaped."
    try:
        found = way()
    except (OSError, ValueError, MemoryError, subprocess.SubprocessError) as error:
        print(name, "refused:", type(error).__name__, getattr(error, "errno", ""), flush=True)
        return None
    if found not in (None, False, [], b"", ""):
        print("ESCAPED", name, repr(found)[:300], flush=True)
    return found

def called(number, *arguments):
    "A system call by its number; raises OSError."
    ctypes.set_errno(0)
    found = libc.syscall(ctypes.c_long(number), *arguments)
    if found == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found if found else True

def written(path, text):
    return os.write(os.open(path, os.O_WRONLY), text.encode())

def connected(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as one:
        one.settimeout(1)
        one.connect(address)
        if kind == socket.SOCK_DGRAM:
            one.send(b"hello")
        return "connected"

ARM = os.uname().machine == "aarch64"
"""
_DONE = '\nprint("DONE", flush=True)\n'


@dataclass(frozen=True)
class Hostile:
    """`ends`: what its end is told as, when it is not to come to its own; `says`: what it says then."""

    name: str
    body: str
    ends: str | None = None
    says: str = "DONE"
    limits: dict[str, Any] = field(default_factory=dict)

    @property
    def script(self) -> str:
        return _PRELUDE + self.body + _DONE

    def met(self, ended: Ended, text: str) -> bool:
        if self.ends is not None:
            told = ended.reason or f"exit code {ended.code}"
            return re.search(self.ends, told) is not None
        return ended.reason is None and re.search(self.says, text) is not None
