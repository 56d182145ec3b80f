"""Starting a sandbox as the user it is to have: the chain of commands from this process to the script."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

import psutil

from asgard_pipelines.scripts.sandbox import Sandbox
from asgard_pipelines.scripts.system_calls import seccomp_filter

TOOLS = ("bwrap", "prlimit", "choom", "nice")
TOOLS_OF_ROOT = ("setpriv", "unshare", "mount")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Its own, not this process's: the script sees what bubblewrap was given."""
_BIND = """stage=$1; shift
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir "$stage/$2"; else : > "$stage/$2"; fi
  mount --bind "$1" "$stage/$2" || exit 1
  shift 2
done
shift
exec "$@"
"""
"""In a mount namespace of its own: what only root may walk to is put where the script's user may."""


@dataclass(frozen=True)
class Started:
    """`process.stdout` is what the script and all that it starts write, to both of their streams."""

    process: subprocess.Popen[bytes]
    status: IO[bytes]
    """Where bubblewrap tells whom it started, and how that ended; it wants a reader as long as it lives."""

    def first_process(self) -> psutil.Process | None:
        """The first process of the sandbox, with which all of it ends; None if none was started.

        Waits until bubblewrap has said which.
        """
        line = self.status.readline()
        try:
            return psutil.Process(json.loads(line)["child-pid"]) if line else None
        except psutil.NoSuchProcess:
            return None


def is_root() -> bool:
    return os.geteuid() == 0


def missing_tools() -> list[str]:
    """Commands that a sandbox needs and that are not there."""
    wanted = (*TOOLS, *TOOLS_OF_ROOT) if is_root() else TOOLS
    return [tool for tool in wanted if shutil.which(tool, path=_PATH) is None]


@contextmanager
def started(sandbox: Sandbox, command: Sequence[str]) -> Iterator[Started]:
    """`command`, run in the sandbox. Who leaves before it has ended is to end it first."""
    with TemporaryDirectory(prefix="asgard-stage-") as stage:
        os.chmod(stage, 0o711)  # noqa: S103 (to be walked through, not read)
        reads, writes = os.pipe()
        sources = _sources(sandbox, Path(stage))
        seccomp = _readable(seccomp_filter())
        # By a file, not in the command: that the script could read.
        options = _readable("\0".join(sandbox.arguments(sources, seccomp, writes)).encode())
        try:
            process = subprocess.Popen(
                [*_chain(sandbox, sources, Path(stage)), "bwrap", "--args", str(options), *command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(seccomp, options, writes),
                env={"PATH": _PATH},
                cwd="/",
                start_new_session=True,
            )
        finally:
            for one in (seccomp, options, writes):
                os.close(one)
        with process, os.fdopen(reads, "rb") as status:
            yield Started(process, status)


def _sources(sandbox: Sandbox, stage: Path) -> dict[Path, Path]:
    """Where bubblewrap finds what is seen: where it is; as another user, on the stage."""
    found = [mount.source for mount in sandbox.mounts()]
    return {source: stage / str(place) if is_root() else source for place, source in enumerate(found)}


def _chain(sandbox: Sandbox, sources: Mapping[Path, Path], stage: Path) -> list[str]:
    """Commands of which each becomes the next, and the last one bubblewrap."""
    limits = [f"--{name}={value}" for name, value in sandbox.limits.for_prlimit().items()]
    # Should the machine run out of memory, this is what the kernel ends first.
    gentle = ["choom", "--adjust", "1000", "--", "nice", "-n", "10"]
    if not is_root():
        return [*gentle, "prlimit", *limits]
    user = str(sandbox.user)
    return [
        *("unshare", "--mount", "--propagation", "private", "sh", "-c", _BIND, "sh", str(stage)),
        *(part for source, place in sources.items() for part in (str(source), place.name)),
        "--",
        *gentle,
        *("setpriv", "--reuid", user, "--regid", user, "--clear-groups"),
        *("--inh-caps=-all", "--bounding-set=-all", "--pdeathsig", "KILL"),
        *("prlimit", *limits),
    ]


def _readable(data: bytes) -> int:
    """A file descriptor that gives `data`."""
    descriptor = os.memfd_create("asgard")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
