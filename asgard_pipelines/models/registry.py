"""The registry: one registered MLflow model per Asgard model, versions by key, aliases, verified bytes."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import cached_property

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.exceptions import MlflowException

from asgard_pipelines.errors import (
    BackendUnavailable,
    Conflict,
    Invalid,
    ModelNotFound,
    Untrusted,
    did_you_mean,
)
from asgard_pipelines.models import runs
from asgard_pipelines.models.mlflow_versions import model_version
from asgard_pipelines.models.registration import MODEL_FOLDER, PICTURE_FOLDER, Registration, digests
from asgard_pipelines.models.stored_files import read_stored
from asgard_pipelines.models.tracking import every, exclusive, open_client
from asgard_pipelines.models.version import (
    CHAMPION,
    DEPRECATED_TAG,
    KEY_TAG,
    PREVIOUS,
    SHA256_TAG,
    VERSION_TAG,
    ModelVersion,
)
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import StoredFile, record_artefact, recorded_artefact

_log = logging.getLogger(__name__)
_MODEL_ID = re.compile(r"(?P<model>.+)_(?P<version>\d{8}_\d{6})")
_ALIAS = re.compile(r"(?!latest$|v\d+$)[A-Za-z][A-Za-z0-9_-]{0,127}")
_NAME = re.compile(r"[A-Za-z0-9_]{1,250}")


class ModelRegistry:
    """Versions of models in MLflow, at `settings.tracking_uri` and `settings.artefact_root`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _client(self) -> MlflowClient:
        return open_client(self._settings)

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

    def versions(self, model: str | None = None) -> list[ModelVersion]:
        """Every version of `model`, or of all models; newest first. Unknown models have none."""
        return [version for name in self._names(model) for version in self._versions(name)]

    def counts(self) -> tuple[int, int]:
        """How many registered models MLflow has, and how many experiments that are not deleted.

        Raises:
            BackendUnavailable: it does not answer.
        """
        try:
            client = self._client
            found = every(
                lambda size, token: client.search_experiments(ViewType.ACTIVE_ONLY, size, page_token=token)
            )
            return len(self._names(None)), len(found)
        except (MlflowException, OSError) as error:
            raise BackendUnavailable("MLflow does not answer.") from error

    def champion(self, model: str) -> ModelVersion | None:
        """The version that has the alias `champion`."""
        number = self._aliases(model).get(CHAMPION)
        return None if number is None else self._of(model, number)

    def by_key(self, model: str, key: str) -> ModelVersion | None:
        """The version registered with that idempotency key."""
        for found in self._mlflow_versions(model):
            if found.tags.get(KEY_TAG) == key:
                return self._of(model, int(found.version))
        return None

    def find(self, model_id: str) -> ModelVersion:
        """The version named by `NAME_VERSION`, `NAME@ALIAS` or `NAME` (its champion).

        Raises:
            ModelNotFound: with the nearest id.
            Untrusted: what MLflow records of it is not what was registered.
        """
        name, _, alias = model_id.partition("@")
        match = None if alias else _MODEL_ID.fullmatch(model_id)
        if match:
            numbers = [
                int(one.version)
                for one in self._mlflow_versions(match["model"])
                if one.tags[VERSION_TAG] == match["version"]
            ]
            if numbers:  # the first: nobody takes a version's place by calling another one so
                return self._of(match["model"], min(numbers))
        number = self._aliases(name).get(alias or CHAMPION)
        if number is not None:
            return self._of(name, number)
        known = self.versions()
        ids = [version.model_id for version in known] + sorted({version.model for version in known})
        raise ModelNotFound(f"Model '{model_id}' not found.{did_you_mean(name, ids)}", available_models=ids)

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

    def previous(self, model: str) -> ModelVersion:
        """The version that was the champion before.

        Raises:
            Conflict: there was none.
        """
        number = self._aliases(model).get(PREVIOUS)
        if number is None:
            raise Conflict(f"'{model}' has had no champion before this one.", model=model)
        return self._of(model, number)

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

    def _names(self, model: str | None) -> list[str]:
        if model is not None:
            return [model]
        client = self._client
        found = every(lambda size, token: client.search_registered_models(max_results=size, page_token=token))
        return sorted(registered.name for registered in found)

    def _registered(self, model: str) -> bool:
        return bool(self._client.search_registered_models(f"name = '{_quotable(model)}'"))

    def _aliases(self, model: str) -> dict[str, int]:
        if not _NAME.fullmatch(model):  # MLflow would not look for it
            return {}
        try:
            return {a: int(n) for a, n in self._client.get_registered_model(model).aliases.items()}
        except MlflowException as error:
            # There is none, or there can be none of that name.
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return {}
            raise

    def _mlflow_versions(self, model: str) -> list[MlflowVersion]:
        """MLflow's versions that are Asgard's too; somebody may have registered others by hand."""
        client, chosen = self._client, f"name = '{_quotable(model)}'"
        found = every(
            lambda size, token: client.search_model_versions(chosen, max_results=size, page_token=token)
        )
        return [version for version in found if VERSION_TAG in version.tags]

    def _versions(self, model: str) -> list[ModelVersion]:
        found = self._mlflow_versions(model)
        if not found:
            return []
        aliases = self._aliases(model)
        by_run = {run.info.run_id: run for run in runs.runs(self._client, model)}
        versions = []
        for one in found:
            try:
                versions.append(model_version(one, aliases, by_run.get(one.run_id or "")))
            except Untrusted as error:  # whoever names it is told; the others are still there
                _log.warning("%s", error.message)
        return sorted(versions, key=lambda version: version.number, reverse=True)

    def _of(self, model: str, number: int) -> ModelVersion:
        """Raises Untrusted: MLflow's version of that number is none of ours, or not any more."""
        found = self._client.get_model_version(model, str(number))
        return model_version(found, self._aliases(model), self._run_of(found))

    def _run_of(self, found: MlflowVersion) -> Run | None:
        try:
            return self._client.get_run(found.run_id) if found.run_id else None
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise


def _by_name(files: dict[str, bytes]) -> dict[str, bytes]:
    return {path.rpartition("/")[2]: data for path, data in files.items()}


def _quotable(model: str) -> str:
    """A model's name for MLflow's filter language, which has no parameters."""
    if not _NAME.fullmatch(model):
        raise ModelNotFound(f"'{model}' is not a model's name: letters, digits and underscores.", model=model)
    return model
