"""Connections to Redis that carry bytes as they are: requests written out beforehand, replies read by
hiredis.

The client library takes longer to put together a request and to hand on its reply than Redis takes to answer.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import hiredis

from asgard_pipelines.errors import BackendUnavailable, InvalidSettings

SECONDS = 10
"""Nothing is waited for longer: neither a connection nor a reply."""
_IDLE = 64
_LOOKED_FOR_SECONDS = 100e-6
"""So long a reply from this machine is looked for before a thread sleeps on it: to be woken takes longer than
Redis does, and costs more."""
_PIECE = 1 << 16
"""More would be taken from the system, and given back, at each reply."""


def bulk(*arguments: bytes) -> bytes:
    """Each as Redis's protocol has it."""
    return b"".join([b"$%d\r\n%b\r\n" % (len(one), one) for one in arguments])


def command(*arguments: bytes) -> bytes:
    return b"*%d\r\n" % len(arguments) + bulk(*arguments)


class Wire:
    """One connection; one thread at a time."""

    def __init__(self, address: RedisAddress) -> None:
        self.used = False
        self._socket: socket.socket
        try:
            plain = socket.create_connection((address.host, address.port), SECONDS)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            self._socket = plain
            if context := address.tls_context():
                self._socket = context.wrap_socket(plain, server_hostname=address.host)
            else:  # the system's own limit: Python's asks before each call whether it would wait
                plain.settimeout(None)
                for limit in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                    plain.setsockopt(socket.SOL_SOCKET, limit, struct.pack("@ll", SECONDS, 0))
        except OSError as error:
            raise address.unavailable(error) from error
        self._near = not address.tls and ip_address(plain.getpeername()[0]).is_loopback
        self._reader = hiredis.Reader()
        for arguments in address.greeting:
            for reply in self.ask(command(*arguments), 1):
                if isinstance(reply, hiredis.ReplyError):
                    self.close()
                    raise BackendUnavailable(f"Redis at {address.shown} refuses: {reply}.")

    def ask(self, request: bytes | memoryview, replies: int) -> list[Any]:
        """Raises OSError when the connection is lost."""
        self._socket.sendall(request)
        return self.receive(replies)

    def send(self, request: bytes | memoryview) -> None:
        self._socket.sendall(request)

    def receive(self, replies: int) -> list[Any]:
        reader = self._reader
        made: list[Any] = []
        while len(made) < replies:
            reply = reader.gets()
            if reply is False:  # not all of it is there; RESP2 has no other False
                piece = self._piece()
                if not piece:
                    raise ConnectionResetError("the connection was closed")
                reader.feed(piece)
            else:
                made.append(reply)
        return made

    def _piece(self) -> bytes:
        if self._near:
            until = time.perf_counter() + _LOOKED_FOR_SECONDS
            while time.perf_counter() < until:
                try:
                    return self._socket.recv(_PIECE, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    os.sched_yield()
        return self._socket.recv(_PIECE)

    def close(self) -> None:
        self._socket.close()


class RedisAddress:
    """
    Raises:
        InvalidSettings: the address names a database that is no number.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "localhost", parts.port or 6379
        self.tls = parts.scheme == "rediss"
        number = parts.path.strip("/") or parse_qs(parts.query).get("db", ["0"])[0]
        if not number.isdigit():
            raise InvalidSettings(
                f"ASGARD_ONLINE_STORE names the Redis database '{number}'; it is a number, as in redis://HOST:6379/0.",
                setting="ASGARD_ONLINE_STORE",
            )
        self.shown = f"{parts.scheme}://{self.host}:{self.port}/{int(number)}"
        password = unquote(parts.password) if parts.password else None
        user = unquote(parts.username) if parts.username else None
        self.greeting: list[Sequence[bytes]] = []
        if password:
            self.greeting.append([b"AUTH", *([user.encode()] if user else []), password.encode()])
        if int(number):
            self.greeting.append([b"SELECT", number.encode()])

    def tls_context(self) -> ssl.SSLContext | None:
        return ssl.create_default_context() if self.tls else None

    def unavailable(self, error: Exception) -> BackendUnavailable:
        return BackendUnavailable(f"Redis at {self.shown} does not answer: {error}.")


class Wires:
    """Connections that are kept for the next who asks. Safe to use from several threads."""

    def __init__(self, address: RedisAddress) -> None:
        self.address = address
        self._idle: deque[Wire] = deque()

    def ask(self, request: bytes | memoryview, replies: int) -> list[Any]:
        """Once more over a new connection, if one that was kept turns out to be lost: what is asked here may
        be asked twice.

        Raises:
            BackendUnavailable: no answer, or an error for an answer.
        """
        while True:
            wire = self.take()
            kept = wire.used
            try:
                found = wire.ask(request, replies)
            except OSError as error:
                wire.close()
                if kept:
                    continue
                raise self.address.unavailable(error) from error
            self.keep(wire)
            return found

    @contextmanager
    def fresh(self) -> Iterator[Wire]:
        """A connection that answers, for what must not be asked twice. Raises BackendUnavailable."""
        self.ask(command(b"PING"), 1)
        wire = self.take()
        try:
            yield wire
        except OSError as error:
            wire.close()
            raise self.address.unavailable(error) from error
        except BaseException:
            wire.close()  # replies may be on their way
            raise
        self.keep(wire)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def __del__(self) -> None:
        self.close()

    def take(self) -> Wire:
        """For one's own; `keep` or close it. Raises BackendUnavailable."""
        try:
            return self._idle.pop()
        except IndexError:
            return Wire(self.address)

    def keep(self, wire: Wire) -> None:
        """For the next who asks: all that it was asked is answered."""
        wire.used = True
        if len(self._idle) < _IDLE:
            self._idle.append(wire)
        else:
            wire.close()


def required(replies: Sequence[Any], address: RedisAddress) -> Sequence[Any]:
    """The replies, none of which is an error. Raises BackendUnavailable."""
    for reply in replies:
        if isinstance(reply, hiredis.ReplyError):
            raise BackendUnavailable(f"Redis at {address.shown} refuses: {reply}.")
    return replies
