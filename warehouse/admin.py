"""The warehouse for staff. Events are facts: they can be looked at, not changed."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.widgets import UnfoldAdminPasswordWidget

from levered_site.errors import DomainError
from levered_site.organizations.audited_admin import AuditedAdmin
from warehouse.models import AssignmentSource, Connection, Exposure, Metric, Provider, Reward
from warehouse.sealed import Sealed
from warehouse.services import connections


class ConnectionForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """Credentials go in, as the API takes them; none ever comes out, not even those just typed."""

    credentials = forms.JSONField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="A JSON object of the provider's fields, as in POST /warehouse/connections. Always empty here:"
        " saving needs them anew.",
    )

    class Meta:
        model = Connection
        fields = ["organization", "provider", "name"]

    def sealed(self) -> Sealed | None:
        given = self.cleaned_data.get("credentials")
        return None if given is None else Sealed(given)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        organization = cleaned.get("organization") or self.instance.organization
        if cleaned.get("provider") == Provider.MANAGED and cleaned.get("credentials") is not None:
            self.add_error("credentials", "The managed warehouse takes none.")
        elif not self.errors and cleaned["provider"] != Provider.MANAGED:
            try:
                given = self.sealed() or Sealed({})
                connections.try_connection(organization, provider=cleaned["provider"], credentials=given)
            except DomainError as error:
                lines = [f"{issue.field}: {issue.message}" for issue in error.details] or [error.message]
                self.add_error("provider" if cleaned.get("credentials") is None else "credentials", lines)
        return cleaned


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
class ConnectionAdmin(ModelAdmin):
    """Saving connects, by the service that the API calls: the warehouse must answer."""

    form = ConnectionForm
    list_display = ["organization", "provider", "name", "created_at", "updated_at"]
    list_filter = ["provider"]
    list_select_related = ["organization"]
    autocomplete_fields = ["organization"]
    fields = ["organization", "provider", "name", "credentials", "created_at", "updated_at"]
    actions = ["try_them"]

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> list[str]:
        return ["created_at", "updated_at", *(["organization"] if obj else [])]

    def save_model(self, request: HttpRequest, obj: Connection, form: ConnectionForm, change: bool) -> None:
        # the form has taken the stored row's place: what is saved is what the service says
        saved = connections.connect(obj.organization, provider=obj.provider, credentials=form.sealed(), name=obj.name)
        obj.pk = saved.pk
        obj._state.adding = False

    def delete_model(self, request: HttpRequest, obj: Connection) -> None:
        connections.disconnect(obj.organization)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for connection in queryset.select_related("organization"):
            connections.disconnect(connection.organization)

    @admin.action(description="Test the selected connections")
    def try_them(self, request: HttpRequest, queryset: QuerySet[Connection]) -> None:
        for connection in queryset.select_related("organization"):
            try:
                found = connections.try_connection(connection.organization)
            except DomainError as error:
                messages.error(request, f"{connection}: {error.message}")
            else:
                told = f"{connection}: {found.seconds * 1000:.0f} ms, {found.tables_count} tables can be read."
                messages.success(request, told)


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
