"""The schemas of all that can be declared: one pydantic class per kind, behind every dress it wears."""

from asgard_pipelines.declarations.bodies import (
    FeatureBody,
    FeatureServiceBody,
    FeatureViewBody,
    ModelBody,
    PredictionBody,
    SourceBody,
)
from asgard_pipelines.declarations.declarations import Declarations, fingerprint
from asgard_pipelines.declarations.declared import ColumnType, Declared, Deprecation, Name, Record, Where
from asgard_pipelines.declarations.features import (
    Entity,
    Feature,
    FeatureService,
    FeatureView,
    OnDemandView,
    ServiceView,
)
from asgard_pipelines.declarations.gold import (
    Cadence,
    GoldTable,
    Watermark,
    next_instant,
    partition_instant,
    partition_key,
    partition_keys,
)
from asgard_pipelines.declarations.models import (
    Candidate,
    FeatureRef,
    Framework,
    Hyperparameters,
    Model,
    ModelType,
    ResolvedModel,
    RetrainPolicy,
    TrainingData,
)
from asgard_pipelines.declarations.platform import DESCRIBED_AT, platform_table
from asgard_pipelines.declarations.predictions import Prediction
from asgard_pipelines.declarations.widening import fits

__all__ = [
    "DESCRIBED_AT",
    "Cadence",
    "Candidate",
    "ColumnType",
    "Declarations",
    "Declared",
    "Deprecation",
    "Entity",
    "Feature",
    "FeatureBody",
    "FeatureRef",
    "FeatureService",
    "FeatureServiceBody",
    "FeatureView",
    "FeatureViewBody",
    "Framework",
    "GoldTable",
    "Hyperparameters",
    "Model",
    "ModelBody",
    "ModelType",
    "Name",
    "OnDemandView",
    "Prediction",
    "PredictionBody",
    "Record",
    "ResolvedModel",
    "RetrainPolicy",
    "ServiceView",
    "SourceBody",
    "TrainingData",
    "Watermark",
    "Where",
    "fingerprint",
    "fits",
    "next_instant",
    "partition_instant",
    "partition_key",
    "partition_keys",
    "platform_table",
]
