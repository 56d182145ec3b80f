"""What a script writes, kept within bounds: the beginning whole, and always the end."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import IO

_WHOLE_BYTES = 5_000_000
_END_BYTES = 100_000
_CHUNK = 65536


class Output:
    """Reads a pipe to its end; may be asked meanwhile from another thread."""

    def __init__(self, whole: int = _WHOLE_BYTES, end: int = _END_BYTES) -> None:
        self._limit, self._end_limit = whole, end
        self._lock = Lock()
        self._beginning = bytearray()
        self._end: deque[bytes] = deque()
        self._end_size = 0
        self._dropped = 0

    def read(self, pipe: IO[bytes]) -> None:
        """Until nobody holds its other end."""
        while chunk := pipe.read1(_CHUNK):  # type: ignore[attr-defined]  # a buffered pipe has it
            with self._lock:
                self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        room = self._limit - len(self._beginning)
        self._beginning += chunk[:room]
        rest = chunk[room:]
        if rest:
            self._end.append(rest)
            self._end_size += len(rest)
        while self._end and self._end_size - len(self._end[0]) >= self._end_limit:
            gone = len(self._end.popleft())
            self._end_size -= gone
            self._dropped += gone

    def end(self, size: int) -> str:
        """The last so many bytes of what is kept."""
        with self._lock:
            last = b"".join(self._end)
            if len(last) < size:
                last = bytes(self._beginning[-(size - len(last)) :]) + last
            return last[-size:].decode(errors="replace")

    def text(self) -> str:
        """All that is kept; where something is missing, how much."""
        with self._lock:
            parts = [bytes(self._beginning)]
            if self._dropped:
                parts.append(f"\n… {self._dropped} bytes are not kept …\n".encode())
            return b"".join([*parts, *self._end]).decode(errors="replace")
