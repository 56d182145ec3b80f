"""Promoting a version by hand: what follows the champion follows it from then on, and it is on record."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from asgard_pipelines.declarations import Declarations
from asgard_pipelines.errors import ModelNotFound
from asgard_pipelines.graph.handoff import hand_over
from asgard_pipelines.graph.instance import open_instance
from asgard_pipelines.graph.keys import model_key
from asgard_pipelines.models import CHAMPION, ModelRegistry, ModelVersion
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import Decision, last_election, record_decision, record_election
from asgard_pipelines.training import Election


def promote_version(
    settings: Settings, declarations: Declarations, version: ModelVersion, reason: str, alias: str = CHAMPION
) -> ModelVersion:
    """Gives `version` the alias; `reason` is recorded with the decision.

    A champion promoted so is the elected version of a declared model, until an election beats it: its
    predictions are due, and the model is due no sooner than before.

    Raises:
        Invalid: an alias that is kept for others.
        Conflict: the version is deprecated.
    """
    registry = ModelRegistry(settings)
    previous = registry.champion(version.model)
    promoted = registry.promote(version, alias)
    subject = f"models/{version.model}"
    text = reason if alias == CHAMPION else f"{reason} ({alias})"
    record_decision(settings, Decision(subject=subject, verdict="promote", reason=text))
    declared = {resolved.model.name: resolved.model for resolved in declarations.models}
    if alias != CHAMPION or version.model not in declared:
        return promoted
    key = model_key(declared[version.model])
    _elect(settings, key, promoted, previous, reason)
    last = last_election(settings, version.model)
    if last is not None:
        told = {"at": datetime.now(UTC), "version": version.version, "promoted": True, "reason": reason}
        record_election(settings, last.model_copy(update=told))
    return promoted


def promote_named(
    settings: Settings, declarations: Declarations, name: str, model_id: str, alias: str, who: str
) -> ModelVersion:
    """Gives a version of the model the alias. `who` is as in "mira, over REST".

    Raises:
        ModelNotFound: there is none, or it is another model's.
        Conflict, Invalid: as `promote_version`.
    """
    version = ModelRegistry(settings).find(model_id)
    if version.model != name:
        raise ModelNotFound(f"'{model_id}' is no version of '{name}'.", model_id=model_id, model=name)
    return promote_version(settings, declarations, version, f"{who}: promoted {version.model_id}.", alias)


def roll_back(settings: Settings, declarations: Declarations, name: str, who: str) -> ModelVersion:
    """Makes the version champion again that was it before.

    Raises:
        ModelNotFound
        Conflict: there was none.
    """
    registry = ModelRegistry(settings)
    champion, before = registry.find(name), registry.previous(name)
    reason = f"{who}: rolled back from {champion.model_id} to {before.model_id}."
    return promote_version(settings, declarations, before, reason)


def _elect(
    settings: Settings, key: dg.AssetKey, version: ModelVersion, previous: ModelVersion | None, reason: str
) -> None:
    """What an election would have handed over, and told Dagster."""
    hand_over(
        settings,
        key,
        Election(elected=version, previous=previous, promoted=True, reason=reason, metric="", scores={}),
    )
    with open_instance(settings) as instance:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                key,
                metadata={
                    "asgard/champion": version.model_id,
                    "asgard/candidate": version.candidate,
                    "asgard/decision": "promote",
                    "asgard/reason": reason,
                },
                tags={"dagster/data_version": version.version},
            )
        )
