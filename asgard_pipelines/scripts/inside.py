"""Runs inside the sandbox, before and around the script: the standard library only.

Lays out the script's own files, lets it reach MLflow (a port of the sandbox's loopback, forwarded to the
one socket that was given), and ends as the script ends. Called as
`python inside.py GIVEN MLFLOW_PORT PROCESSES SECONDS SCRIPT`.
"""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

_CHUNK = 65536


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
    except OSError:  # either side is gone: there is nobody to tell
        target.close()


async def _forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: Path) -> None:
    try:
        back, out = await asyncio.open_unix_connection(str(socket))
    except OSError:
        writer.close()
        return
    await asyncio.gather(_pump(reader, out), _pump(back, writer))
    for end in (out, writer):
        end.close()


def _lay_out(given: Path) -> None:
    """A copy of each folder of its own: what it writes there, it alone sees."""
    for source in (given / "files").iterdir():
        target = Path("/tmp", source.name)  # noqa: S108 (the sandbox's own)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(source, target)


async def _run(given: Path, port: int, seconds: float, script: str) -> int:
    socket = given / "mlflow.sock"
    if socket.exists():
        await asyncio.start_server(lambda r, w: _forward(r, w, socket), "127.0.0.1", port)
    process = await asyncio.create_subprocess_exec(sys.executable, "-u", script)
    # Who watches from outside ends it sooner; should that one be killed as it begins, this does.
    return await asyncio.wait_for(process.wait(), seconds)


def main() -> None:
    given, port, script = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[5]
    os.umask(0o077)
    # Here it counts this namespace's processes only, and not what else the same user runs.
    resource.setrlimit(resource.RLIMIT_NPROC, (int(sys.argv[3]), int(sys.argv[3])))
    _lay_out(given)
    code = asyncio.run(_run(given, port, float(sys.argv[4]), script))
    if code < 0:
        print(f"{Path(script).name} was ended by {signal.Signals(-code).name}", file=sys.stderr)
    # Not by way of the interpreter's end, which waits for what else is open.
    sys.stderr.flush()
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
