"""Many rows that Redis holds in transactions, ready to be written at a word.

The keys are watched and looked at, and the writes of what is newer wait in Redis: it carries them out only if
nobody has written one of the keys since. That is half the work of the script, most of it before the word, and
where somebody has, the script is still there.
"""

from __future__ import annotations

from asgard_pipelines.errors import BackendUnavailable
from asgard_pipelines.features.online.encoded_rows import EncodedRows
from asgard_pipelines.features.online.few_values import FEW
from asgard_pipelines.features.online.redis_requests import row_looks, row_writes
from asgard_pipelines.features.online.redis_times import stored_stamp
from asgard_pipelines.features.online.redis_wire import Wire, Wires, bulk, command, required
from asgard_pipelines.features.online.stamps import stamps

_MULTI, _EXEC = command(b"MULTI"), command(b"EXEC")

_ROWS = 128
"""Of one transaction, which has a connection: nobody else is answered while it is carried out, under a
millisecond. And each key that is watched is compared with all that its connection watches already."""
_MOST, _MOST_BYTES = 16 * _ROWS, 1 << 23


def worth_holding(rows: EncodedRows) -> bool:
    """Many, and not so many that Redis would miss the memory."""
    return FEW < len(rows) <= _MOST and not isinstance(rows.keys, list) and rows.nbytes <= _MOST_BYTES


class HeldRows:
    """Of one view, at most one of each key. `close` it."""

    def __init__(self, wires: Wires, view: str, rows: EncodedRows, suffix: bytes) -> None:
        self._wires, self._rows = wires, len(rows)
        self._held: list[tuple[Wire, int]] = []
        """Of each part of the rows its connection, and how many replies come before the transaction's."""
        try:
            for _ in range(0, len(rows), _ROWS):
                self._held.append((wires.take(), 0))
            self._hold(view, rows, suffix)
        except (OSError, BackendUnavailable):  # whoever puts the rows another way is told again
            self.close()

    def put(self) -> tuple[int, list[int]]:
        """How many landed, and the places of those that have to be put another way."""
        landed, left = 0, set(range(0, self._rows, _ROWS))
        try:
            for wire, _ in self._held:
                wire.send(_EXEC)
            for (wire, before), start in zip(self._held, range(0, self._rows, _ROWS), strict=False):
                done = wire.receive(before + 1)[-1]
                # None: one of the keys was written meanwhile. Errors: Redis refuses.
                if type(done) is list and set(map(type, done)) <= {int}:
                    left.remove(start)
                    landed += before
        except OSError:
            self.close()
        while self._held:
            self._wires.keep(self._held.pop()[0])
        return landed, [place for place in range(self._rows) if place - place % _ROWS in left]

    def close(self) -> None:
        """What was not put is forgotten."""
        while self._held:
            self._held.pop()[0].close()

    def _hold(self, view: str, rows: EncodedRows, suffix: bytes) -> None:
        keys, looks = row_looks(view, rows, suffix)
        parts = [(start, min(start + _ROWS, len(rows))) for start in range(0, len(rows), _ROWS)]
        for (wire, _), (start, end) in zip(self._held, parts, strict=True):
            watch = b"*%d\r\n%b" % (1 + end - start, bulk(b"WATCH"))
            wire.send(b"".join((watch, keys(start, end), looks(start, end), _MULTI)))
        writes, new = row_writes(view, rows, suffix), stamps(rows.times).to_pylist()
        digits = len(new[0])
        for number, (start, end) in enumerate(parts):
            wire = self._held[number][0]
            # Nothing is written before MULTI is known to be granted.
            found = required(wire.receive(2 + end - start), self._wires.address)[1:-1]
            newer = [
                place
                for place, (time, ours) in enumerate(found, start)
                if time is None or stored_stamp(time, ours)[:digits] <= new[place]
            ]
            whole = len(newer) == end - start
            wire.send(writes(start, end) if whole else b"".join([writes(one, one + 1) for one in newer]))
            self._held[number] = wire, len(newer)
