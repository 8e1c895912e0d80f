"""The warehouse for staff. Events are facts: they can be looked at, not changed."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from levered_site.organizations.audited_admin import AuditedAdmin
from warehouse.models import AssignmentSource, Connection, Exposure, Metric, Reward


class _ReadOnly(ModelAdmin):
    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class _WithoutAdding(AuditedAdmin):
    """Saving means that the SELECT has run: that is the API's and the dashboard's way in."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(Connection)
class ConnectionAdmin(AuditedAdmin):
    list_display = ["organization", "provider", "created_at", "updated_at"]
    list_filter = ["provider"]
    list_select_related = ["organization"]
    autocomplete_fields = ["organization"]
    readonly_fields = ["created_at", "updated_at"]


@admin.register(Metric)
class MetricAdmin(_WithoutAdding):
    list_display = ["name", "organization", "created_at"]
    list_filter = ["organization"]
    list_select_related = ["organization"]
    search_fields = ["name", "sql"]
    readonly_fields = ["organization", "sql", "column_mapping", "created_at", "updated_at"]


@admin.register(AssignmentSource)
class AssignmentSourceAdmin(_WithoutAdding):
    list_display = ["name", "organization", "active", "created_at"]
    list_filter = ["active", "organization"]
    list_select_related = ["organization"]
    search_fields = ["name", "sql"]
    readonly_fields = ["organization", "sql", "column_mapping", "active", "created_at", "updated_at"]


class _EventAdmin(_ReadOnly):
    """Of tables that grow without end: no counting of all rows, and newest first by the primary key."""

    list_filter = ["organization"]
    list_select_related = ["organization"]
    show_full_result_count = False
    ordering = ["-pk"]
    list_per_page = 50


@admin.register(Exposure)
class ExposureAdmin(_EventAdmin):
    list_display = ["anonymous_id", "organization", "optimization_id", "variant", "context", "timestamp"]
    search_fields = ["=anonymous_id"]


@admin.register(Reward)
class RewardAdmin(_EventAdmin):
    list_display = ["name", "value", "anonymous_id", "organization", "optimization_id", "timestamp"]
    search_fields = ["=anonymous_id", "=name"]
