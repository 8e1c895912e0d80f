"""What tools answer: the API's objects, as schemas that agents read."""

import datetime as dt
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Level = str | bool | int | float


class Output(BaseModel):
    """An object of the API. Fields that the API gains are passed on."""

    model_config = ConfigDict(extra="allow")


class Written(Output):
    dry_run: bool = Field(default=False, description="True: checked only, nothing was stored.")


class Summary(Output):
    variants_count: int
    lift: float | None = Field(description="Percent. Measured where lift_ci is given, else modeled.")
    lift_ci: list[float] | None = Field(default=None, description="Holds at every look.")
    verdict: Literal["better", "worse", "no_detectable_change", "too_early"] = "too_early"
    confidence: float | None = Field(description="Probability that the policy beats the baseline.")
    exposures: int


class OptimizationItem(Output):
    id: UUID
    name: str
    status: Literal["live", "completed", "archived"]
    model_id: UUID | None
    model_status: Literal["untrained", "training", "trained", "archived"]
    created_at: dt.datetime
    updated_at: dt.datetime
    summary: Summary | None = Field(description="Null before the first training.")


class Named(Output):
    id: UUID
    name: str


class Factor(BaseModel):
    """A factor and its levels; the first level is the baseline."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="1 to 64 characters of letters, digits, '_', '.', '-'.")
    levels: list[Level] = Field(description="At least two, of one type; the first is the baseline.")
    dtype: Literal["str", "bool", "int", "float"] = "str"


class TrainingDataConfig(Output):
    design_factors: list[Factor]
    context_factors: list[Factor]
    reward: dict[str, Any]
    attribution: dict[str, Any]


class Guardrail(BaseModel):
    """A metric that must not move against `direction` by more than `margin_percent`."""

    model_config = ConfigDict(extra="ignore")

    metric_id: UUID
    direction: Literal["increase", "decrease"] = Field(description="'increase': it must not fall.")
    margin_percent: float = Field(ge=0, le=100)


class ModelBrief(Output):
    id: UUID
    status: str
    version: int
    trained_at: dt.datetime | None


class Optimization(OptimizationItem, Written):
    description: str
    model_type: Literal["mab", "cmab"]
    holdout_percentage: int
    training_data_config: TrainingDataConfig
    reward_metric: Named
    assignment_source: Named | None
    guardrails: list[Guardrail]
    excluded_combinations: list[dict[str, Level]]
    model: ModelBrief | None


class Optimizations(Output):
    optimizations: list[OptimizationItem]


class Created(Written):
    id: UUID | None = Field(description="Null in a dry run.")
    model_id: UUID | None
    variants_count: int
    baseline: dict[str, Level] = Field(description="The variant that the holdout sees.")
    warnings: list[str]


class Served(Output):
    variants: list[dict[str, Any]] = Field(description="Best first, each with its props and its propensity.")


class Model(Output):
    id: UUID
    optimization_id: UUID
    model_type: str
    status: str
    version: int
    trained_at: dt.datetime | None
    last_run: "TrainingRun | None" = None
    state: "ModelState | None" = Field(default=None, description="Only when it was asked for.")


class TrainingRun(Output):
    id: UUID
    outcome: str
    stage: str
    trigger: str
    started_at: dt.datetime
    finished_at: dt.datetime | None
    observations: float | None
    error: str


class ModelState(Output):
    """Effects on the link scale, rewards on the reward scale, lifts in percent."""

    reason: str | None = Field(description="Why there is nothing yet; null once the model is trained.")
    best_variant: dict[str, Any] | None
    factors: list[dict[str, Any]]
    interactions: list[dict[str, Any]]
    contexts: list[dict[str, Any]]


class Trained(Written):
    model_id: UUID
    status: str
    model_version: int | None
    observations: int | None
    has_new_data: bool | None = Field(default=None, description="In a dry run: whether training would see new events.")
    in_sample_metrics: dict[str, Any] | None = None
    training_run_id: UUID | None = None


class Metric(Written):
    id: UUID | None = Field(description="Null in a dry run.")
    name: str
    sql: str
    column_mapping: dict[str, Any]


class Metrics(Output):
    metrics: list[Metric]


class Rows(Output):
    rows: list[dict[str, Any]] = Field(description="One object per row, by column.")


class QueryAnswer(Rows):
    columns: list[str]


class Column(Output):
    name: str
    type: str


class Table(Output):
    name: str
    columns: list[Column]


class Tables(Output):
    tables: list[Table]


class EventName(Output):
    name: str
    count: int
    last_seen: dt.datetime


class WarehouseStatus(Output):
    provider: str
    name: str
    reachable: bool
    problem: str | None = Field(default=None, description="The warehouse's own words when it does not answer.")
    assignment_source: Named | None = Field(description="Where exposures are read from.")
    reward_names: list[EventName] = Field(description="Names under which rewards arrived; managed warehouse only.")


class Statement(Output):
    name: str
    title: str
    description: str
    sql: str


class Statements(Output):
    as_of: dt.datetime
    note: str = Field(description="Where the statements can be run.")
    statements: list[Statement]


class Results(Output):
    model_version: int | None
    computed_at: dt.datetime | None
    primary_metric_vs_holdout: dict[str, Any] = Field(description="Measured: optimized users against the holdout.")
    stats: dict[str, Any] = Field(description="Modeled: what the learner estimates. Never a measurement.")
    variants: list[dict[str, Any]]
    factor_importance: list[dict[str, Any]]
    sql: Statements | None = Field(default=None, description="Only when it was asked for.")


class HealthCheck(Output):
    key: str
    status: Literal["ok", "warning", "failing", "unknown"]
    detail: str = Field(description="What was found.")
    advice: str = Field(description="What to do; empty where nothing is.")


class Health(Output):
    status: Literal["ok", "warning", "failing", "unknown"] = Field(description="The worst of the checks.")
    checks: list[HealthCheck] = Field(description="In the order in which data flows: a failure explains those below.")
    exposures: dict[str, Any] | None
    rewards: dict[str, Any] | None


class Progress(Output):
    days_running: int
    holdout_users: int
    optimization_users: int
    progress_to_best: float | None = Field(description="The policy's lift as a share of the best variant's.")
    leader: dict[str, Any] | None = Field(description="The variant with the largest share of all traffic.")
    expected_days_until_known: int | None
    reason: str | None = Field(description="Why the number of days is missing.")


class GuardrailState(Output):
    metric: Named
    direction: Literal["increase", "decrease"]
    margin_percent: float
    status: Literal["ok", "violated", "pending"]
    reason: str = Field(description="Of the status, in words.")


class Checked(Output):
    """Each only when it was asked for."""

    health: Health | None = None
    progress: Progress | None = None
    guardrails: list[GuardrailState] | None = None


class Gate(Output):
    gate: str
    passed: bool
    detail: str


class Explained(Output):
    verdict: Literal["better", "worse", "no_detectable_change", "too_early", "invalid"]
    statement: str = Field(description="The verdict in a sentence that may be repeated as it is.")
    quotable: bool = Field(description="False: state no lift at all.")
    failed_gates: list[str]
    gates: list[Gate]
    metric_name: str
    lift_percent: float | None = Field(description="Null unless quotable.")
    lift_ci: list[float] | None
    p_value: float | None
    optimization_users: int
    holdout_users: int
    computed_at: dt.datetime | None
