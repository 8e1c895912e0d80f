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
    """The warehouse of an organization. Without a row it is the managed one."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.OneToOneField(Organization, on_delete=models.CASCADE, related_name="warehouse_connection")
    provider = models.CharField(max_length=20, choices=Provider.choices, default=Provider.MANAGED)
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
