"""What is optimized, what has been learned, and what is served."""

import uuid
from typing import ClassVar

from django.db import models

from levered_site.organizations.models import Organization, User
from optimizations.states import ModelStatus, Status
from warehouse.models import AssignmentSource, Metric


class ModelType(models.TextChoices):
    MAB = "mab", "mab"
    CMAB = "cmab", "cmab"


class Optimization(models.Model):
    """A decision in design factors. `training_data_config` and `excluded_combinations` are as in the API."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="optimizations")
    name = models.CharField(max_length=255)
    description = models.CharField(max_length=1000, blank=True, default="")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.LIVE)
    model_type = models.CharField(max_length=4, choices=ModelType.choices, default=ModelType.CMAB)
    holdout_percentage = models.PositiveSmallIntegerField(default=10)
    training_data_config = models.JSONField()
    excluded_combinations = models.JSONField(default=list, blank=True)
    reward_metric = models.ForeignKey(Metric, on_delete=models.PROTECT, related_name="optimizations")
    assignment_source = models.ForeignKey(
        AssignmentSource, null=True, on_delete=models.SET_NULL, related_name="optimizations"
    )
    summary = models.JSONField(null=True, blank=True, help_text="Written at training; null before the first.")
    created_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    archived_at = models.DateTimeField(null=True, blank=True)
    paused_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when a guardrail serves the baseline to everyone."
    )
    serving_revision = models.BigIntegerField(
        default=0, editable=False, help_text="The publication that last changed what is served."
    )

    class Meta:
        ordering = ["-updated_at"]
        indexes: ClassVar = [
            models.Index(fields=["organization", "-updated_at"], name="optimizations_recent"),
            models.Index(fields=["serving_revision"], name="optimizations_by_revision"),
        ]

    def __str__(self) -> str:
        return self.name


class HoldoutRegime(models.Model):
    """From when on which share of the users gets the baseline. Numbers of different regimes are never pooled."""

    optimization = models.ForeignKey(Optimization, on_delete=models.CASCADE, related_name="holdout_regimes")
    percentage = models.PositiveSmallIntegerField(help_text="100 while the baseline is served to everyone.")
    started_at = models.DateTimeField(help_text="The first regime also covers what was seen before it.")

    class Meta:
        ordering = ["started_at", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["optimization", "started_at"], name="one_regime_per_moment")
        ]

    def __str__(self) -> str:
        return f"{self.percentage} % from {self.started_at:%Y-%m-%d %H:%M}"


class ServingRevision(models.Model):
    """One row: the number of the latest publication. Every process polls it to learn what to reload."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)


class Guardrail(models.Model):
    """A metric that must not move against `direction` by more than `margin_percent`, and how it stood last."""

    class Direction(models.TextChoices):
        INCREASE = "increase", "must not fall"
        DECREASE = "decrease", "must not rise"

    class OnViolation(models.TextChoices):
        NOTIFY = "notify", "Notify"
        PAUSE = "pause", "Notify and serve the baseline to everyone"

    class State(models.TextChoices):
        OK = "ok", "OK"
        VIOLATED = "violated", "Violated"
        PENDING = "pending", "Pending"

    UNREADABLE = "The metric could not be read"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    optimization = models.ForeignKey(Optimization, on_delete=models.CASCADE, related_name="guardrails")
    metric = models.ForeignKey(Metric, on_delete=models.PROTECT, related_name="guardrails")
    direction = models.CharField(max_length=10, choices=Direction.choices)
    margin_percent = models.FloatField()
    on_violation = models.CharField(max_length=10, choices=OnViolation.choices, default=OnViolation.NOTIFY)
    status = models.CharField(max_length=10, choices=State.choices, default=State.PENDING, editable=False)
    reason = models.CharField(max_length=1000, blank=True, default="", editable=False)
    arms = models.JSONField(default=list, editable=False, help_text="As in Readout, of this guardrail's metric.")
    evaluated_at = models.DateTimeField(null=True, blank=True, editable=False)
    violated_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it last became so.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.metric} {self.get_direction_display()} by more than {self.margin_percent} %"

    @property
    def unreadable(self) -> bool:
        """Whether its last evaluation could not read the metric; the status is the one before."""
        return self.reason.startswith(self.UNREADABLE)


class BanditModel(models.Model):
    """The learner of one optimization. A deleted one stays, archived; a new one may take its place."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="models")
    optimization = models.ForeignKey(Optimization, on_delete=models.CASCADE, related_name="models")
    status = models.CharField(max_length=10, choices=ModelStatus.choices, default=ModelStatus.UNTRAINED)
    version = models.PositiveIntegerField(default=0, help_text="Of the posterior that is served; 0 before the first.")
    trained_at = models.DateTimeField(null=True, blank=True)
    training_claimed_at = models.DateTimeField(null=True, blank=True, help_text="Set while one process trains it.")
    bias = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["optimization"],
                condition=~models.Q(status=ModelStatus.ARCHIVED),
                name="one_active_model_per_optimization",
            )
        ]

    def __str__(self) -> str:
        return f"Model of {self.optimization}"

    @property
    def current_status(self) -> str:
        return ModelStatus.TRAINING if self.training_claimed_at else self.status


class PosteriorVersion(models.Model):
    """One published posterior, and the decision log of the policy that served it."""

    model = models.ForeignKey(BanditModel, on_delete=models.CASCADE, related_name="posteriors")
    version = models.PositiveIntegerField()
    blob = models.BinaryField(help_text="bandits.Posterior.to_bytes()")
    bias = models.JSONField(default=dict)
    shares = models.JSONField(
        default=list, help_text="Per context cell: [codes, [[variant, slots], …]]; propensities can be recomputed."
    )
    observations = models.FloatField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-version"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["model", "version"], name="one_posterior_per_version")]

    def __str__(self) -> str:
        return f"v{self.version} of {self.model_id}"


class Readout(models.Model):
    """What the latest training saw and concluded: every number that is shown comes from this row."""

    model = models.OneToOneField(BanditModel, on_delete=models.CASCADE, related_name="readout")
    version = models.PositiveIntegerField()
    computed_at = models.DateTimeField()
    blob = models.BinaryField(help_text="The read-out posterior: bandits.Posterior.to_bytes()")
    table = models.BinaryField(help_text="The observed cells: services.observations.Table.to_bytes()")
    arms = models.JSONField(
        default=list, help_text="[day, holdout, users, total, total_squares, regime] per day, regime and arm."
    )
    conclusions = models.JSONField(default=dict, help_text="Estimates with their intervals: services.conclusions.")
    unknown_exposures = models.PositiveIntegerField(default=0, help_text="Left out: levels outside the design.")

    def __str__(self) -> str:
        return f"v{self.version} of {self.model_id}"


class DataHealth(models.Model):
    """What was last found about an optimization's events; a reading that fails leaves the last good one."""

    optimization = models.OneToOneField(Optimization, on_delete=models.CASCADE, related_name="data_health")
    facts = models.JSONField(null=True, help_text="services.health; null before the first good reading.")
    measured_at = models.DateTimeField(null=True, help_text="Of the facts.")
    tried_at = models.DateTimeField()
    seconds = models.FloatField(default=0.0, help_text="That the last reading took.")
    error = models.CharField(max_length=1000, blank=True, default="", help_text="Of the last reading.")

    def __str__(self) -> str:
        return f"Data of {self.optimization_id} at {self.tried_at}"


class RejectedExposures(models.Model):
    """Exposures that ingestion refused for what they are, per UTC day: they are stored nowhere else."""

    optimization = models.ForeignKey(Optimization, on_delete=models.CASCADE, related_name="rejected_exposures")
    day = models.DateField()
    code = models.CharField(max_length=40, help_text="As in the answer: unknown_variant, timestamp_in_future, …")
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["optimization", "day", "code"], name="one_count_of_rejected_exposures")
        ]

    def __str__(self) -> str:
        return f"{self.count} × {self.code} on {self.day}"


class LiftSnapshot(models.Model):
    """What was known of the lift at the end of a UTC day, in percent; written during the day, the last write stays."""

    optimization = models.ForeignKey(Optimization, on_delete=models.CASCADE, related_name="lift_snapshots")
    day = models.DateField()
    version = models.PositiveIntegerField(help_text="Of the model whose read-out this is.")
    computed_at = models.DateTimeField(help_text="When that read-out was made: it may be older than the day.")
    policy = models.JSONField(null=True, help_text="Modeled lift of the served policy: mean, ci_lower, ci_upper.")
    ceiling = models.JSONField(null=True, help_text="Modeled lift of the best variant: mean, ci_lower, ci_upper.")
    measured = models.JSONField(null=True, help_text="The stratified measured lift with its always-valid interval.")

    class Meta:
        ordering = ["day"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["optimization", "day"], name="one_lift_snapshot_per_day")
        ]

    def __str__(self) -> str:
        return f"{self.day} of {self.optimization_id}"


class TrainingRun(models.Model):
    """One attempt to train, by whomever it was started."""

    class Trigger(models.TextChoices):
        API = "api", "API"
        MCP = "mcp", "Agent"
        DASHBOARD = "dashboard", "Dashboard"
        ADMIN = "admin", "Admin"
        SCHEDULE = "schedule", "Schedule"
        COMMAND = "command", "Command line"

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    model = models.ForeignKey(BanditModel, on_delete=models.CASCADE, related_name="training_runs")
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    outcome = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.RUNNING)
    stage = models.CharField(max_length=40, blank=True, default="", help_text="What a running training is doing.")
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(null=True, blank=True)
    observations = models.FloatField(null=True, blank=True)
    in_sample_metrics = models.JSONField(null=True, blank=True)
    error = models.CharField(max_length=1000, blank=True, default="")

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} training of {self.model_id}"
