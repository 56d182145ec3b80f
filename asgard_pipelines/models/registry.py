"""The registry: versions registered once for each key, aliases moved, bytes verified."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from mlflow.entities import Run

from asgard_pipelines.errors import Conflict, Invalid, Untrusted
from asgard_pipelines.models import runs
from asgard_pipelines.models.registered_versions import RegisteredVersions
from asgard_pipelines.models.registration import MODEL_FOLDER, PICTURE_FOLDER, Registration, digests
from asgard_pipelines.models.stored_files import read_stored
from asgard_pipelines.models.tracking import exclusive
from asgard_pipelines.models.version import (
    CHAMPION,
    DEPRECATED_TAG,
    KEY_TAG,
    PREVIOUS,
    SHA256_TAG,
    VERSION_TAG,
    ModelVersion,
)
from asgard_pipelines.state import StoredFile, record_artefact, recorded_artefact

_ALIAS = re.compile(r"(?!latest$|v\d+$)[A-Za-z][A-Za-z0-9_-]{0,127}")


class ModelRegistry(RegisteredVersions):
    """The versions, how they are made and changed, and their files, at `settings.artefact_root`."""

    def register(self, registration: Registration) -> ModelVersion:
        """Register a trained model. The same key again gives the same version, after a crash too.

        Raises:
            Invalid: a file name that is not a plain one.
        """
        for name in registration.files:
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", name) or name == "MLmodel":
                raise Invalid(f"'{name}' is not a plain file name for an artefact.", file=name)
        client = self._client
        with exclusive(self._settings):
            found = self.by_key(registration.model, registration.key)
            if found:
                return found
            run = self._run(registration)
            try:
                runs.record(client, run, registration)
            except BaseException:
                client.set_terminated(run.info.run_id, "FAILED")
                raise
            if not self._registered(registration.model):
                client.create_registered_model(registration.model, description=registration.description)
            version = run.data.tags[VERSION_TAG]
            record_artefact(self._settings, registration.model, version, registration.stored)
            created = client.create_model_version(
                registration.model,
                source=f"runs:/{run.info.run_id}/{MODEL_FOLDER}",
                run_id=run.info.run_id,
                tags=registration.version_tags(version),
                description=registration.description,
                await_creation_for=0,
            )
        return self._of(registration.model, int(created.version))

    def promote(self, version: ModelVersion, alias: str = CHAMPION) -> ModelVersion:
        """Give `version` the alias, taking it from whichever version had it. Of the champions, the one
        before has the alias `previous`.

        Raises:
            Invalid: an alias that is kept for others.
            Conflict: the version is deprecated.
        """
        if not _ALIAS.fullmatch(alias) or alias == PREVIOUS:
            raise Invalid(
                f"'{alias}' cannot be an alias: `latest`, `previous` and `v<number>` are reserved.",
                alias=alias,
            )
        if version.deprecated:
            raise Conflict(f"'{version.model_id}' is deprecated.", model_id=version.model_id)
        before = self._aliases(version.model).get(alias)
        if alias == CHAMPION and before not in (None, version.number):
            self._client.set_registered_model_alias(version.model, PREVIOUS, str(before))
        self._client.set_registered_model_alias(version.model, alias, str(version.number))
        return self._of(version.model, version.number)

    def deprecate(self, version: ModelVersion) -> ModelVersion:
        """Mark a version as one to be used no more.

        Raises:
            Conflict: it is the champion.
        """
        if self._aliases(version.model).get(CHAMPION) == version.number:
            raise Conflict(
                f"'{version.model_id}' is the champion: promote another version first.",
                model_id=version.model_id,
            )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._client.set_model_version_tag(version.model, str(version.number), DEPRECATED_TAG, now)
        return self._of(version.model, version.number)

    def artefact(self, version: ModelVersion, names: Collection[str] | None = None) -> dict[str, bytes]:
        """File name -> bytes, each verified against what was recorded when it was registered.

        Args:
            names: Only these, as far as they were registered; None for all.

        Raises:
            Untrusted: a file is missing or its bytes are not those registered, MLflow tells other checksums,
                or nobody registered the version here.
        """
        recorded = self._recorded(version)
        path = {name: f"{MODEL_FOLDER}/{name}" for name in version.sha256}
        wanted = {path[name]: recorded[path[name]] for name in path if names is None or name in names}
        return _by_name(read_stored(self._client, version, wanted))

    def pictures(self, version: ModelVersion) -> dict[str, bytes]:
        """Name -> PNG, verified as the artefact is. Raises Untrusted."""
        recorded = self._recorded(version)
        wanted = {path: file for path, file in recorded.items() if path.startswith(f"{PICTURE_FOLDER}/")}
        found = _by_name(read_stored(self._client, version, wanted))
        return {name.removesuffix(".png"): data for name, data in found.items()}

    def _recorded(self, version: ModelVersion) -> dict[str, StoredFile]:
        """What was stored for the version, by our own record; what MLflow tells of it must be the same."""
        recorded = recorded_artefact(self._settings, version.model, version.version)
        told = version.tags.get(SHA256_TAG)
        if recorded is None or told != digests(recorded):
            wrong = "is not registered here" if recorded is None else "has other checksums in MLflow"
            raise Untrusted(
                f"{version.model_id} {wrong}. Train the model again, or promote another version.",
                model_id=version.model_id,
            )
        return recorded

    def _run(self, registration: Registration) -> Run:
        """The run that an interrupted registration left, or a new one with a version of its own."""
        experiment = runs.experiment(self._client, registration.model, self._settings.artefact_root)
        taken = {version.tags.get(VERSION_TAG) for version in self._mlflow_versions(registration.model)}
        for run in runs.runs(self._client, registration.model):
            if run.data.tags.get(KEY_TAG) == registration.key and run.info.lifecycle_stage == "active":
                return run
            taken.add(run.data.tags.get(VERSION_TAG))
        instant = datetime.now(UTC)
        while (version := instant.strftime("%Y%m%d_%H%M%S")) in taken:
            instant += timedelta(seconds=1)
        return runs.start(self._client, experiment, registration, version)


def _by_name(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path.rpartition("/")[2]: data for path, data in files.items()}
