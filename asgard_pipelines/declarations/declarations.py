"""All that is declared, checked together: the compiled form that every other room reads."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any

from pydantic import Field

from asgard_pipelines.declarations.declared import Record
from asgard_pipelines.declarations.features import Entity, FeatureService, FeatureView, OnDemandView
from asgard_pipelines.declarations.gold import GoldTable
from asgard_pipelines.declarations.models import ResolvedModel
from asgard_pipelines.declarations.predictions import Prediction
from asgard_pipelines.errors import (
    DeclarationNotFound,
    FeatureViewNotFound,
    Invalid,
    ModelNotFound,
    did_you_mean,
)


class Declarations(Record):
    """`project` is Feast's project name. Lists are sorted by name."""

    project: str
    gold: list[GoldTable] = Field(default_factory=list)
    entities: list[Entity] = Field(default_factory=list)
    views: list[FeatureView] = Field(default_factory=list)
    on_demand_views: list[OnDemandView] = Field(default_factory=list)
    services: list[FeatureService] = Field(default_factory=list)
    models: list[ResolvedModel] = Field(default_factory=list)
    predictions: list[Prediction] = Field(default_factory=list)

    @cached_property
    def gold_by_table(self) -> dict[str, GoldTable]:
        return {table.table: table for table in self.gold}

    @property
    def all_views(self) -> list[FeatureView | OnDemandView]:
        """The stored views, then the on-demand ones."""
        return [*self.views, *self.on_demand_views]

    @property
    def own_views(self) -> list[FeatureView | OnDemandView]:
        """All but those about Asgard itself, which a project has without having thought of them."""
        platform = {table.table for table in self.gold if table.about_asgard}
        return [one for one in self.all_views if not (isinstance(one, FeatureView) and one.table in platform)]

    @property
    def own_entities(self) -> list[Entity]:
        """All but those of which only views about Asgard itself know."""
        own = {view.name for view in self.own_views}
        platform = {name for view in self.views if view.name not in own for name in view.entities}
        used = {name for view in self.views if view.name in own for name in view.entities}
        return [one for one in self.entities if one.name not in platform - used]

    def view(self, name: str) -> FeatureView:
        """
        Raises:
            FeatureViewNotFound
            Invalid: it is computed on demand.
        """
        for view in self.views:
            if view.name == name:
                return view
        for computed in self.on_demand_views:
            if computed.name == name:
                told = f"Feature view '{name}' is computed on demand, from {', '.join(computed.sources)}: "
                raise Invalid(f"{told}it has no table, and nothing of it is stored.", feature_view=name)
        raise FeatureViewNotFound(name, [v.name for v in self.views])

    def online_view(self, name: str) -> FeatureView:
        """
        Raises:
            FeatureViewNotFound
            Invalid: it is not online, or computed on demand.
        """
        view = self.view(name)
        if not view.online:
            raise Invalid(f"Feature view '{name}' is not online: declare it `online`.", feature_view=name)
        return view

    def service(self, name: str) -> FeatureService:
        """Raises DeclarationNotFound."""
        for service in self.services:
            if service.name == name:
                return service
        known = [service.name for service in self.services]
        raise DeclarationNotFound(
            f"Feature service '{name}' not found.{did_you_mean(name, known)}",
            feature_service=name,
            available_services=known,
        )

    def pushed_by(self, source: str) -> list[FeatureView]:
        """The views that take what is pushed by that name. Raises DeclarationNotFound."""
        found = [view for view in self.views if view.push_source == source]
        if not found:
            known = sorted({view.push_source for view in self.views if view.push_source})
            raise DeclarationNotFound(
                f"Push source '{source}' not found.{did_you_mean(source, known)} "
                '`POST /api/v1/features/apply` with `source.type: "push"` declares one.',
                push_source=source,
                available_push_sources=known,
            )
        return found

    def model(self, name: str) -> ResolvedModel:
        """Raises ModelNotFound."""
        for resolved in self.models:
            if resolved.model.name == name:
                return resolved
        known = [m.model.name for m in self.models]
        raise ModelNotFound(
            f"Model '{name}' is not declared.{did_you_mean(name, known)}", available_models=known
        )

    def prediction(self, name: str) -> Prediction:
        """Raises DeclarationNotFound."""
        for prediction in self.predictions:
            if prediction.name == name:
                return prediction
        known = [p.name for p in self.predictions]
        raise DeclarationNotFound(
            f"Prediction table '{name}' is not declared.{did_you_mean(name, known)}",
            available_predictions=known,
        )


_NOT_MEANT: dict[str, Any] = {"where": True, "deprecated": True, "model": {"where", "deprecated"}}


def fingerprint(declaration: Record) -> str:
    """SHA-256 (hex, 16 digits) of what was declared; where it stands, and whether it is deprecated, does not
    count."""
    text = declaration.model_dump_json(exclude=_NOT_MEANT)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
