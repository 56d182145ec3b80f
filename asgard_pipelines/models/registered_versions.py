"""Finding versions of models in MLflow: by key, by id, by alias; those that are ours."""

from __future__ import annotations

import logging
import re
from functools import cached_property

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.exceptions import MlflowException

from asgard_pipelines.errors import BackendUnavailable, Conflict, ModelNotFound, Untrusted, did_you_mean
from asgard_pipelines.models import runs
from asgard_pipelines.models.mlflow_versions import model_version
from asgard_pipelines.models.tracking import every, open_client
from asgard_pipelines.models.version import CHAMPION, KEY_TAG, PREVIOUS, VERSION_TAG, ModelVersion
from asgard_pipelines.settings import Settings

_log = logging.getLogger(__name__)
_MODEL_ID = re.compile(r"(?P<model>.+)_(?P<version>\d{8}_\d{6})")
_NAME = re.compile(r"[A-Za-z0-9_]{1,250}")


class RegisteredVersions:
    """Versions of models in MLflow, at `settings.tracking_uri`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _client(self) -> MlflowClient:
        return open_client(self._settings)

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

    def previous(self, model: str) -> ModelVersion:
        """The version that was the champion before.

        Raises:
            Conflict: there was none.
        """
        number = self._aliases(model).get(PREVIOUS)
        if number is None:
            raise Conflict(f"'{model}' has had no champion before this one.", model=model)
        return self._of(model, number)

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


def _quotable(model: str) -> str:
    """A model's name for MLflow's filter language, which has no parameters."""
    if not _NAME.fullmatch(model):
        raise ModelNotFound(f"'{model}' is not a model's name: letters, digits and underscores.", model=model)
    return model
