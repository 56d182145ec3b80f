"""What a script writes, kept within bounds: the beginning whole, and always the end."""

from __future__ import annotations

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
        self._end = bytearray()
        self._dropped = 0

    def read(self, pipe: IO[bytes]) -> None:
        """Until nobody holds its other end."""
        while chunk := pipe.read1(_CHUNK):  # type: ignore[attr-defined]  # a buffered pipe has it
            with self._lock:
                self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        room = self._limit - len(self._beginning)
        self._beginning += chunk[:room]
        self._end += chunk[room:]
        if too_many := max(len(self._end) - self._end_limit, 0):
            del self._end[:too_many]
            self._dropped += too_many

    def end(self, size: int) -> str:
        """The last so many bytes of what is kept."""
        with self._lock:
            return (self._beginning[-size:] + self._end)[-size:].decode(errors="replace")

    def text(self) -> str:
        """All that is kept; where something is missing, how much."""
        with self._lock:
            gap = f"\n… {self._dropped} bytes are not kept …\n".encode() if self._dropped else b""
            return (self._beginning + gap + self._end).decode(errors="replace")
