"""Models to train: the fields of `POST /feast/models`, and ours."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from asgard_pipelines.declarations.declared import Declared, Name, Record, TableName
from asgard_pipelines.declarations.duration import Duration

Framework = Literal["sklearn", "xgboost", "lightgbm"]
ModelType = Literal["classification", "regression"]


def _utc(value: datetime) -> datetime:
    if not 1 < value.year < 9999:
        raise ValueError(f"a year lies between 2 and 9998; {value.year} does not")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Instant = Annotated[datetime, AfterValidator(_utc)]
"""A time in UTC; a naive one is UTC. Not at the ends of time, where nothing could be added to it."""


ViewFeature = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*:[A-Za-z_][A-Za-z0-9_]*$", max_length=257)
]
"""`view:feature`."""


class TrainingData(Record):
    entity_df_source: TableName
    """A gold table, or a feature view (then its table)."""
    label_column: Name
    event_timestamp_column: Name
    start_date: Instant | None = None
    end_date: Instant | None = None
    """Null keeps the window open."""

    @model_validator(mode="after")
    def _forward(self) -> TrainingData:
        if self.start_date and self.end_date and self.start_date >= self.end_date:
            raise ValueError("`end_date` is not after `start_date`: no row lies between them")
        return self


class Hyperparameters(Record):
    estimator: str | None = None
    """scikit-learn: RandomForest (default), GradientBoosting, HistGradientBoosting, Linear."""
    params: dict[str, Any] = Field(default_factory=dict)


class Candidate(Record):
    name: Name
    framework: Framework
    hyperparameters: Hyperparameters = Field(default_factory=Hyperparameters)


class RetrainPolicy(Record):
    on: list[str] | None = None
    """Tables whose changes count; null: every table the model stands on."""
    min_changed_rows: int = Field(default=1, ge=1)
    min_interval: Duration = timedelta(0)


class ModelFields(Record):
    """What a model says beside its name: the same in a file and over REST."""

    framework: Framework | None = None
    model_type: ModelType
    training_data: TrainingData
    hyperparameters: Hyperparameters | None = None
    candidates: list[Candidate] = Field(default_factory=list)
    feature_service: str | None = None
    feature_views: list[str] | None = None
    features: Annotated[list[ViewFeature], Field(min_length=1)] | None = None
    """These and no others, each as `view:feature`."""
    test_size: float = Field(default=0.2, gt=0, lt=1)
    label_horizon: Duration = timedelta(0)
    split: Literal["time", "random"] = "time"
    positive_label: str | int | bool | None = None
    seed: int = Field(default=42, ge=0, lt=2**32)
    retrain: RetrainPolicy | Literal[False] = Field(default_factory=RetrainPolicy)

    @model_validator(mode="after")
    def _one_way_of_naming(self) -> Self:
        if self.candidates and (self.framework or self.hyperparameters):
            raise ValueError("give either `candidates`, or one `framework` with `hyperparameters`")
        if not self.candidates and not self.framework:
            raise ValueError("give `framework` (sklearn, xgboost or lightgbm), or `candidates`")
        names = [candidate.name for candidate in self.candidates]
        if len(set(names)) != len(names):
            raise ValueError("two candidates have one name: `candidates` tells them apart by it")
        if self.positive_label is not None and self.model_type == "regression":
            raise ValueError("`positive_label` belongs to a classification")
        if sum(bool(one) for one in (self.feature_service, self.feature_views, self.features)) > 1:
            raise ValueError("give either `feature_service`, `feature_views` or `features`")
        return self

    @property
    def all_candidates(self) -> list[Candidate]:
        """The declared candidates, or the single one, named after its framework."""
        if self.candidates:
            return self.candidates
        assert self.framework is not None  # the validator above
        return [
            Candidate(
                name=self.framework,
                framework=self.framework,
                hyperparameters=self.hyperparameters or Hyperparameters(),
            )
        ]


class Model(ModelFields, Declared):
    """A question with candidates: one label, one set of features, one training set."""


class FeatureRef(Record):
    """One input of a model: a feature of a view."""

    view: str
    feature: str
    dtype: str


class ResolvedModel(Record):
    """A model with all that was left open settled against the other declarations."""

    model: Model
    source: str
    """`schema.table` of the rows that carry the label."""
    entity_columns: list[str]
    features: list[FeatureRef]
    """The model's inputs, in the order in which it takes them."""
    views: list[str]
    """Feature views to read: those of `features` and those their on-demand views stand on."""
    on_demand_views: list[str]
    tables: list[str]
    """Every table it reads directly: the source and the views' tables, sorted."""
    roots: list[str]
    """The external tables all of that is made from, sorted."""
