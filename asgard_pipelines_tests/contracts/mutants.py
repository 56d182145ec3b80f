"""Faults that the contract has to catch: a piece of the package's source, and what is put in its place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`file` (in the package): its one place that reads `old` reads `new` instead."""

    name: str
    file: str
    old: str
    new: str


ENGINE = "features/point_in_time/"
SLOTS, WINNERS, KEYS = ENGINE + "slots.py", ENGINE + "winners.py", ENGINE + "key_index.py"
JOIN, KINDS = ENGINE + "streamed_join.py", "features/kinds.py"
CHECK, SINCE = "_check(asked, timestamp, lookups)", "since: Ints) -> Ints:"
PINNED, PARTS = "lakehouse/pinned_source.py", "lakehouse/parquet_parts.py"

MUTANTS = (
    Mutant(
        "TTL ignored",
        WINNERS,
        "None if ttl is None else min(ttl, _ENDLESS)",
        "None",
    ),
    Mutant("TTL's end excluded", WINNERS, "<= self._ttl", "< self._ttl"),
    Mutant("one hour of the future leaks", SLOTS, SINCE, SINCE + "\n        since = since - 3_600_000_000"),
    Mutant("the asked instant itself excluded", SLOTS, SINCE, SINCE + "\n        since = since + 1"),
    Mutant("the last asked instant pruned away", JOIN, "last + _MICROSECOND", "last"),
    Mutant(
        "of a tie the oldest created wins",
        WINNERS,
        "self._offer(slots, event, made,",
        "self._offer(slots, event, -made,",
    ),
    Mutant(
        "a null created time wins a tie",
        WINNERS,
        "np.where(present, times, _NEVER)[rows]",
        "np.where(present, times, -_NEVER - 1)[rows]",
    ),
    Mutant(
        "of a tie the least values win",
        ENGINE + "value_order.py",
        "np.append(ordered[1:] != ordered[:-1], True)",
        "np.append(True, ordered[1:] != ordered[:-1])",
    ),
    Mutant(
        "of a tie any row wins", JOIN, "_settle(winners, rows, list(one.ties))", "_settle(winners, rows, [])"
    ),
    Mutant("a row as new as the best is put aside", WINNERS, "(event >= before)", "(event > before)"),
    Mutant(
        "rows of the slot before are put aside",
        WINNERS,
        "since = self._slots.times_before(slots)",
        "since = np.full(len(slots), _NEVER)",
    ),
    Mutant("created filter ignored", JOIN, "cut=cut and created is not None", "cut=False"),
    Mutant("created filter always on", JOIN, "cut=cut and created is not None", "cut=created is not None"),
    Mutant("position deletes ignored", PINNED, "deletes.get(task.file.file_path, [])", "[]"),
    Mutant(
        "the current snapshot read, not the pinned",
        "lakehouse/lakehouse.py",
        "return PinnedSource(self.catalog.pinned(pin), where=where, tally=tally)",
        "return PinnedSource(self.catalog.pinned(self.pin(pin.table)), where=where, tally=tally)",
    ),
    Mutant(
        "the current schema, not the pinned",
        "lakehouse/catalog.py",
        "snapshot.schema_id is not None and snapshot.schema_id != metadata.current_schema_id",
        "False",
    ),
    Mutant(
        "the last feature row of each batch dropped",
        WINNERS,
        "rows = np.flatnonzero(counts)",
        "rows = np.flatnonzero(counts)[:-1]",
    ),
    Mutant(
        "the last asked row dropped",
        JOIN,
        CHECK,
        CHECK + "\n        asked = asked.slice(0, max(len(asked) - 1, 0))",
    ),
    Mutant(
        "equal asked rows given once",
        JOIN,
        CHECK,
        CHECK + "\n        asked = asked.group_by(asked.column_names, use_threads=False).aggregate([])",
    ),
    Mutant(
        "an asked row doubled",
        JOIN,
        CHECK,
        CHECK + "\n        asked = pa.concat_tables([asked, asked.slice(0, 1)])",
    ),
    Mutant(
        "a null key matches a null", KEYS, "            if column.null_count:\n", "            if False:\n"
    ),
    Mutant(
        "a null time is 1970",
        KINDS,
        "numbers(column.is_valid()).astype(bool)",
        "numbers(column.is_valid()).astype(bool) | True",
    ),
    Mutant(
        "only a key's first part compared",
        KEYS,
        "            words += read(column)\n",
        "            words += read(column) if not words else [np.zeros(len(column), np.uint64)]\n",
    ),
    Mutant(
        "a key's parts in any order",
        KEYS,
        "        return words, present\n",
        "        return ([np.sort(np.stack(words), axis=0)[n] for n in range(len(words))], present)\n",
    ),
    Mutant(
        "text compared by its first eight bytes",
        KEYS,
        "range(0, widest + 1, 8)",
        "range(0, min(widest, 7) + 1, 8)",
    ),
    Mutant(
        "a zone's wall clock taken for UTC",
        KINDS,
        "    stored = column.cast(pa.int64())",
        "    stored = (pc.local_timestamp(column) if column.type.tz else column).cast(pa.int64())",
    ),
    Mutant("nanoseconds rounded up", KINDS, "raw // 1_000 if", "-(-raw // 1_000) if"),
    Mutant("a later batch numbered as the first", PARTS, "                first += batch.num_rows\n", ""),
    Mutant(
        "parts come out of order",
        ENGINE + "parallel.py",
        "                    yield begun.popleft().result()\n            while",
        "                    yield begun.pop().result()\n            while",
    ),
    Mutant(
        "rows from disk in another's place",
        ENGINE + "spill.py",
        "places[asked] =",
        "places[np.sort(asked)] =",
    ),
    Mutant(
        "keys pruned too far",
        JOIN,
        'Between(column, edges["min"], edges["max"])',
        'Between(column, edges["min"], edges["min"])',
    ),
    Mutant("coverage counts the rows asked", JOIN, "np.mean(won.places >= 0)", "np.mean(won.places >= -1)"),
)
