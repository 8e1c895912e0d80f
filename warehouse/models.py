"""Where an organization's data lives, what is read from it, and the managed warehouse's two tables."""

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from levered_site.organizations.models import Organization


class Provider(models.TextChoices):
    MANAGED = "managed", "Managed (hosted by Levered)"
    POSTGRES = "postgres", "PostgreSQL"
    BIGQUERY = "bigquery", "BigQuery"
    SNOWFLAKE = "snowflake", "Snowflake"
    DUCKDB = "duckdb", "DuckDB"


class Connection(models.Model):
    """The warehouse of an organization. Without a row it is the managed one. `token`: `sealed.seal` of credentials."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="warehouse_connection")
    provider = models.CharField(max_length=20, choices=Provider.choices, default=Provider.MANAGED)
    name = models.CharField(max_length=255, blank=True, default="")
    token = models.TextField(blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.organization}: {self.get_provider_display()}"


class Metric(models.Model):
    """A SELECT that returns rewards. `column_mapping` names its columns, as in the API."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="metrics")
    name = models.CharField(max_length=255)
    sql = models.TextField()
    column_mapping = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name


class AssignmentSource(models.Model):
    """A SELECT that returns exposures. An organization has one that is active; replaced ones keep their id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="assignment_sources")
    name = models.CharField(max_length=255)
    sql = models.TextField()
    column_mapping = models.JSONField()
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization"], condition=models.Q(active=True), name="one_active_assignment_source"
            )
        ]

    def __str__(self) -> str:
        return self.name


class ReadSeries(models.Model):
    """What was read of a warehouse once and for all: the days before `until`, as aggregates in `ClosedDay`.

    `subject` says what for, `key` hashes everything that determines the numbers: another key, and nothing is left of
    the series. `exposures_mark` and `rewards_mark` are ids in the managed tables: later rows arrived after the reading.
    `revision` counts writes: whoever read an older one does not write over a newer one.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    subject = models.CharField(max_length=120, unique=True)
    key = models.CharField(max_length=64)
    revision = models.PositiveIntegerField(default=0)
    until = models.DateField(null=True)
    floor = models.FloatField(null=True)
    exposures_mark = models.BigIntegerField(default=0)
    rewards_mark = models.BigIntegerField(default=0)
    begun_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.subject


class ClosedDay(models.Model):
    """The aggregates of one UTC day of a series, as `services.closed_days` packs them."""

    series = models.ForeignKey(ReadSeries, on_delete=models.CASCADE, related_name="days")
    day = models.DateField()
    content = models.BinaryField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["series", "day"], name="one_content_per_closed_day")]

    def __str__(self) -> str:
        return f"{self.series} on {self.day}"


class Event(models.Model):
    """What both managed tables share. `optimization_id` is no foreign key: optimizations lie above the warehouse."""

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+", db_index=False)
    anonymous_id = models.CharField(max_length=512)
    timestamp = models.DateTimeField()
    received_at = models.DateTimeField(default=timezone.now)
    idempotency_key = models.CharField(max_length=256, null=True)  # noqa: DJ001  (NULLs never collide)

    class Meta:
        abstract = True


class Exposure(Event):
    """Which variant a user saw."""

    optimization_id = models.UUIDField()
    variant = models.JSONField()
    context = models.JSONField()

    class Meta:
        db_table = "managed_exposures"
        indexes: ClassVar = [
            models.Index(fields=["organization", "optimization_id", "timestamp"], name="exposures_by_time"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "idempotency_key"], name="one_exposure_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.anonymous_id} at {self.timestamp}"


class Reward(Event):
    """A conversion or another metric event. Without an optimization it counts by name for all."""

    name = models.CharField(max_length=255)
    value = models.FloatField(default=1.0)
    optimization_id = models.UUIDField(null=True)
    properties = models.JSONField(default=dict)

    class Meta:
        db_table = "managed_rewards"
        indexes: ClassVar = [models.Index(fields=["organization", "name", "timestamp"], name="rewards_by_time")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "idempotency_key"], name="one_reward_per_key")
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.anonymous_id} at {self.timestamp}"
