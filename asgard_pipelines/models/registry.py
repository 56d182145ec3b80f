"""The registry: one registered MLflow model per Asgard model, versions by key, aliases, verified bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.exceptions import MlflowException

from asgard_pipelines.errors import Conflict, Invalid, ModelNotFound, Untrusted, did_you_mean
from asgard_pipelines.models import runs
from asgard_pipelines.models.registration import Registration
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
            created = client.create_model_version(
                registration.model,
                source=f"runs:/{run.info.run_id}/{runs.MODEL_FOLDER}",
                run_id=run.info.run_id,
                tags=registration.version_tags(version),
                description=registration.description,
                await_creation_for=0,
            )
        return self._of(registration.model, int(created.version))

    def versions(self, model: str | None = None) -> list[ModelVersion]:
        """Every version of `model`, or of all models; newest first. Unknown models have none."""
        return [version for name in self._names(model) for version in self._versions(name)]

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
        """
        name, _, alias = model_id.partition("@")
        match = None if alias else _MODEL_ID.fullmatch(model_id)
        if match:
            for version in self._versions(match["model"]):
                if version.version == match["version"]:
                    return version
        number = self._aliases(name).get(alias or CHAMPION)
        if number is not None:
            return self._of(name, number)
        known = self.versions()
        ids = [version.model_id for version in known] + sorted({version.model for version in known})
        raise ModelNotFound(
            f"Model '{model_id}' not found.{did_you_mean(model_id, ids)}", available_models=ids
        )

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
        """File name -> bytes, each verified against the SHA-256 in the registry.

        Args:
            names: Only these, as far as they were registered; None for all.

        Raises:
            Untrusted: a file is missing or its bytes are not those registered.
        """
        found = self._client.get_model_version(version.model, str(version.number))
        recorded: dict[str, str] = json.loads(found.tags[SHA256_TAG])
        recorded = {name: digest for name, digest in recorded.items() if names is None or name in names}
        files = self._download(version, runs.MODEL_FOLDER)
        for name, digest in recorded.items():
            if name not in files or sha256(files[name]).hexdigest() != digest:
                wrong = "does not have the bytes that were registered" if name in files else "is missing"
                raise Untrusted(
                    f"{version.model_id}: '{name}' {wrong}. "
                    "Train the model again, or promote another version.",
                    model_id=version.model_id,
                    file=name,
                )
        return {name: files[name] for name in recorded}

    def pictures(self, version: ModelVersion) -> dict[str, bytes]:
        """Name -> PNG, as registered; not verified, since nothing but eyes reads them."""
        found = self._download(version, runs.PICTURE_FOLDER)
        return {name.removesuffix(".png"): data for name, data in found.items()}

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
        versions = [_model_version(version, aliases, by_run.get(version.run_id or "")) for version in found]
        return sorted(versions, key=lambda version: version.number, reverse=True)

    def _of(self, model: str, number: int) -> ModelVersion:
        found = self._client.get_model_version(model, str(number))
        assert found.run_id is not None  # `register` always gives one
        return _model_version(found, self._aliases(model), self._client.get_run(found.run_id))

    def _download(self, version: ModelVersion, folder: str) -> dict[str, bytes]:
        """The files in one folder of the version's run; none where there is no such folder."""
        if folder not in {entry.path for entry in self._client.list_artifacts(version.run_id)}:
            return {}
        with TemporaryDirectory() as target:
            path = Path(self._client.download_artifacts(version.run_id, folder, target))
            return {file.name: file.read_bytes() for file in sorted(path.iterdir()) if file.is_file()}


def _model_version(found: MlflowVersion, aliases: dict[str, int], run: Run | None) -> ModelVersion:
    timed = run is not None and run.info.end_time is not None
    return ModelVersion(
        model=found.name,
        version=found.tags[VERSION_TAG],
        number=int(found.version),
        candidate=found.tags["candidate"],
        framework=found.tags["framework"],
        model_type=found.tags["model_type"],
        aliases=sorted(alias for alias, number in aliases.items() if number == int(found.version)),
        metrics=dict(run.data.metrics) if run else {},
        tags=dict(found.tags),
        created_at=datetime.fromtimestamp(found.creation_timestamp / 1000, UTC),
        run_id=found.run_id,
        training_seconds=(run.info.end_time - run.info.start_time) / 1000 if run and timed else None,
    )


def _quotable(model: str) -> str:
    """A model's name for MLflow's filter language, which has no parameters."""
    if not _NAME.fullmatch(model):
        raise ModelNotFound(f"'{model}' is not a model's name: letters, digits and underscores.", model=model)
    return model
