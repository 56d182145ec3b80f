"""HTTP over a Unix socket: the one door out of a sandbox. What is behind it is a function."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import UnixStreamServer
from threading import Thread
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from asgard_pipelines.models import Reply

Answer: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], Reply]
"""Method, path, query and body to what is answered."""
_PATIENCE_SECONDS = 30
_log = logging.getLogger(__name__)


@contextmanager
def tracking_socket(path: Path, answer: Answer, longest: int) -> Iterator[None]:
    """Answers at `path` while it lasts, one request at a time, none longer than so many bytes."""
    with _short(path) as address, _Server(address, answer, longest) as server:
        os.chmod(path, 0o666)  # noqa: S103 (the folder around it is closed; the script is another user)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join(_PATIENCE_SECONDS)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Another path of the same place: that of a socket may have 107 bytes, and a home may be deep."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class _Server(UnixStreamServer):
    request_queue_size = 64

    def __init__(self, path: str, answer: Answer, longest: int) -> None:
        self.answer, self.longest = answer, longest
        super().__init__(path, _Request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The script gets no answer, and the next request is served."""
        _log.warning("a script's request could not be answered", exc_info=True)


class _Request(BaseHTTPRequestHandler):
    """HTTP/1.0: one request a connection."""

    server: _Server
    timeout = _PATIENCE_SECONDS

    def _respond(self) -> None:
        target = urlsplit(self.path)
        body = self._body()
        if body is None:
            self.send_error(413 if self.headers.get("Content-Length") else 411)
            return
        query = dict(parse_qsl(target.query, max_num_fields=100))
        reply = self.server.answer(self.command, unquote(target.path), query, body)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.kind)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _respond  # noqa: N815 (the base class calls them so)

    def _body(self) -> bytes | None:
        """None: it is too long, or it says no length."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        given = self.headers.get("Content-Length", "0")
        if not (given.isascii() and given.isdigit() and len(given) < 16) or int(given) > self.server.longest:
            return None
        return self.rfile.read(int(given))

    def _chunks(self) -> bytes | None:
        """As an empty file is sent."""
        found = bytearray()
        while True:
            size = int(self.rfile.readline(20).split(b";")[0], 16)
            if not 0 <= size <= self.server.longest - len(found):
                return None
            found += self.rfile.read(size)
            self.rfile.readline(20)
            if not size:
                return bytes(found)

    def address_string(self) -> str:
        return "script"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what a script asks is nobody's log."""
