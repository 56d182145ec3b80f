"""Making a version again from its sources as they were, and comparing; nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256

import pyarrow as pa
import pyarrow.compute as pc

from asgard_pipelines.declarations import Record
from asgard_pipelines.errors import Conflict, Unsupported
from asgard_pipelines.lakehouse import Lakehouse, Pin
from asgard_pipelines.models import ModelRegistry, ModelVersion
from asgard_pipelines.settings import Settings
from asgard_pipelines.training.assembly import Assembled, assemble
from asgard_pipelines.training.candidates import fit_candidate
from asgard_pipelines.training.origin import ORIGIN, Origin, libraries
from asgard_pipelines.training.row_matching import RowChanges, row_changes
from asgard_pipelines.training.split import NAMES, TRAIN
from asgard_pipelines.training.training_rows import column_names, identity_columns, in_order
from asgard_pipelines.training.training_set import SPLIT


class Reproduction(Record):
    """A version then and now. Hashes are SHA-256 in hex."""

    version: ModelVersion
    origin: Origin
    rows: int
    """Of the training set as it came out now."""
    content_hash: str
    """Of those rows."""
    row_changes: RowChanges | None
    """From the stored rows to those; None when they are the same."""
    files: dict[str, str]
    """The model's files as they came out now -> hash."""
    libraries: dict[str, str]
    """Name -> version now."""
    changed_functions: list[str]
    """On-demand views whose function is another one now: code is not kept."""

    @property
    def same_rows(self) -> bool:
        return self.content_hash == self.version.content_hash

    @property
    def same_model(self) -> bool:
        return all(self.version.sha256.get(name) == digest for name, digest in self.files.items())

    @property
    def reproduced(self) -> bool:
        return self.same_rows and self.same_model

    @property
    def reasons(self) -> list[str]:
        """What may have made the difference, likeliest first; sentences without their stop."""
        found = [
            f"the function of the on-demand view '{view}' is another one now"
            for view in self.changed_functions
        ]
        found += [f"{name} was {then}, and is {now}" for name, (then, now) in self.moved_libraries.items()]
        cores = len(os.sched_getaffinity(0))
        if self.same_rows and self.origin.threads > cores:
            found.append(f"{self.origin.threads} threads fitted it, and there are {cores} cores here")
        return found

    @property
    def moved_libraries(self) -> dict[str, tuple[str | None, str | None]]:
        """Name -> version then and now, where they differ."""
        then, now = self.origin.libraries, self.libraries
        names = sorted(then.keys() | now.keys())
        return {name: (then.get(name), now.get(name)) for name in names if then.get(name) != now.get(name)}


def reproduce(
    settings: Settings,
    lakehouse: Lakehouse,
    version: ModelVersion,
    on_step: Callable[[str], None] = lambda step: None,
) -> Reproduction:
    """Compute the version's training set again from its sources, fit again, and hash both.

    It is done as the declarations said when the version was trained, with the candidate, the seed and
    the number of threads of then. The library versions are today's, and so is the code of on-demand views.

    Args:
        on_step: hears what begins, in a few words.

    Raises:
        Unsupported: the version does not say what it was made from.
        TableNotFound, SnapshotNotFound: a source is gone, in spite of its tag.
        Conflict: the function of an on-demand view is gone.
    """
    origin = read_origin(settings, version)
    changed_functions = _changed_functions(settings, origin)
    on_step("Reading the sources")
    then = assemble(settings, lakehouse, origin.declarations, origin.resolved, _pins(origin))
    with closing(then) as assembled:
        train = _train(origin, assembled)
        content_hash = assembled.content_hash
        same = content_hash == version.content_hash
        changes = None if same else _row_changes(lakehouse, origin, assembled)
    on_step(f"Fitting {origin.candidate.name} to {train.num_rows:,} rows")
    files = fit_candidate(origin.resolved, origin.candidate, train, origin.threads)
    return Reproduction(
        version=version,
        origin=origin,
        rows=len(assembled.parts),
        content_hash=content_hash,
        row_changes=changes,
        files={name: sha256(data).hexdigest() for name, data in files.items()},
        libraries=libraries(),
        changed_functions=changed_functions,
    )


def read_origin(settings: Settings, version: ModelVersion) -> Origin:
    """What the version was made from.

    Raises:
        Unsupported: it does not say, or in words of another Asgard.
        Untrusted: what it says is not what was registered.
    """
    files = ModelRegistry(settings).artefact(version, [ORIGIN])
    if ORIGIN not in files:
        raise Unsupported(
            f"{version.model_id} was trained by an Asgard that did not keep what a version is made from. "
            f"`asgard train {version.model}` makes one that does.",
            model_id=version.model_id,
        )
    return Origin.read(files[ORIGIN], version.model_id)


def _pins(origin: Origin) -> dict[str, Pin]:
    """A table that had no snapshot had no rows, whatever it has now."""
    return {table: Pin(table, origin.training_set.sources.get(table)) for table in origin.resolved.tables}


def _row_changes(lakehouse: Lakehouse, origin: Origin, assembled: Assembled) -> RowChanges:
    columns = [*column_names(origin.resolved), SPLIT]
    identity = identity_columns(origin.resolved)
    stored = lakehouse.read_table(Pin(origin.training_set.table, origin.training_set.snapshot_id), columns)
    values = [name for name in columns if name not in identity]
    return row_changes(stored, assembled.reader().read_all(), identity, values)


def _train(origin: Origin, assembled: Assembled) -> pa.Table:
    kept = (batch.filter(pc.equal(batch[SPLIT], NAMES[TRAIN])) for batch in assembled.batches())
    return in_order(origin.resolved, pa.Table.from_batches(kept, assembled.schema))


def _changed_functions(settings: Settings, origin: Origin) -> list[str]:
    """Raises Conflict: one of them is gone."""
    if not origin.resolved.on_demand_views:
        return []
    from asgard_pipelines.features import read_repo  # imports Feast

    now = {view.name: view.fingerprint for view in read_repo(settings).on_demand_views}
    then = {view.name: view.fingerprint for view in origin.declarations.on_demand_views}
    gone = sorted(then.keys() - now.keys())
    if gone:
        raise Conflict(
            f"The repo no longer has the on-demand view '{gone[0]}', whose function made features of "
            f"'{origin.training_set.model}': code is not kept. Check out the commit that had it.",
            on_demand_views=gone,
        )
    return sorted(name for name, fingerprint in then.items() if now[name] != fingerprint)
