"""The pages. `login` and `logout` lie in the URL map of the whole product."""

from django.urls import path

from optimizations.dashboard.views.api_keys import ApiKeysView, RevokeApiKeyView
from optimizations.dashboard.views.audit_log import AuditLogView
from optimizations.dashboard.views.commands import CommandsView
from optimizations.dashboard.views.connected_apps import ConnectedAppsView, DisconnectView
from optimizations.dashboard.views.create import CreateOptimizationView
from optimizations.dashboard.views.guardrails import GuardrailsView, ResumeView
from optimizations.dashboard.views.health import HealthView, SqlView
from optimizations.dashboard.views.learned import ContextsView, FactorsView
from optimizations.dashboard.views.members import (
    MemberRoleView,
    MembersView,
    RemoveMemberView,
    WithdrawInvitationView,
)
from optimizations.dashboard.views.metrics import MetricsView, MetricView
from optimizations.dashboard.views.optimization import IntegrateView, OverviewView
from optimizations.dashboard.views.optimizations import OptimizationsView
from optimizations.dashboard.views.organization import ChooseOrganizationView
from optimizations.dashboard.views.playground import PlaygroundView
from optimizations.dashboard.views.report import ReportView
from optimizations.dashboard.views.settings import BiasView, DetailsView, HoldoutView, MoveView, SettingsView
from optimizations.dashboard.views.source import SourceView
from optimizations.dashboard.views.training import RunsView, TrainingStateView, TrainView
from optimizations.dashboard.views.variants import VariantsView
from optimizations.dashboard.views.warehouse import ManagedWarehouseView, TryWarehouseView, WarehouseView
from optimizations.states import Status

app_name = "dashboard"
ONE = "optimizations/<uuid:optimization_id>"

complete = MoveView.as_view(
    status=Status.COMPLETED, form_name="complete", done="Completed. The winner is now served to everyone."
)
archive = MoveView.as_view(
    status=Status.ARCHIVED, form_name="archive", done="Archived. Nothing is served any more; the data stays."
)

urlpatterns = [
    path("", OptimizationsView.as_view(), name="optimizations"),
    path("optimizations/new", CreateOptimizationView.as_view(), name="optimization-create"),
    path(ONE, OverviewView.as_view(), name="optimization"),
    path(f"{ONE}/variants", VariantsView.as_view(), name="optimization-variants"),
    path(f"{ONE}/factors", FactorsView.as_view(), name="optimization-factors"),
    path(f"{ONE}/contexts", ContextsView.as_view(), name="optimization-contexts"),
    path(f"{ONE}/guardrails", GuardrailsView.as_view(), name="optimization-guardrails"),
    path(f"{ONE}/resume", ResumeView.as_view(), name="optimization-resume"),
    path(f"{ONE}/health", HealthView.as_view(), name="optimization-health"),
    path(f"{ONE}/sql", SqlView.as_view(), name="optimization-sql"),
    path(f"{ONE}/runs", RunsView.as_view(), name="optimization-runs"),
    path(f"{ONE}/playground", PlaygroundView.as_view(), name="optimization-playground"),
    path(f"{ONE}/integrate", IntegrateView.as_view(), name="optimization-integrate"),
    path(f"{ONE}/settings", SettingsView.as_view(), name="optimization-settings"),
    path(f"{ONE}/details", DetailsView.as_view(), name="optimization-details"),
    path(f"{ONE}/holdout", HoldoutView.as_view(), name="optimization-holdout"),
    path(f"{ONE}/bias", BiasView.as_view(), name="optimization-bias"),
    path(f"{ONE}/report", ReportView.as_view(), name="optimization-report"),
    path(f"{ONE}/training", TrainingStateView.as_view(), name="optimization-training"),
    path(f"{ONE}/train", TrainView.as_view(), name="optimization-train"),
    path(f"{ONE}/complete", complete, name="optimization-complete"),
    path(f"{ONE}/archive", archive, name="optimization-archive"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("metrics/<uuid:metric_id>", MetricView.as_view(), name="metric"),
    path("settings/warehouse", WarehouseView.as_view(), name="warehouse"),
    path("settings/warehouse/test", TryWarehouseView.as_view(), name="warehouse-test"),
    path("settings/warehouse/managed", ManagedWarehouseView.as_view(), name="warehouse-managed"),
    path("settings/assignment-source", SourceView.as_view(), name="assignment-source"),
    path("settings/api-keys", ApiKeysView.as_view(), name="api-keys"),
    path("settings/api-keys/<uuid:key_id>/revoke", RevokeApiKeyView.as_view(), name="api-key-revoke"),
    path("settings/connected-apps", ConnectedAppsView.as_view(), name="connected-apps"),
    path("settings/connected-apps/<uuid:connection_id>/disconnect", DisconnectView.as_view(), name="disconnect"),
    path("settings/members", MembersView.as_view(), name="members"),
    path("settings/members/<uuid:member_id>/role", MemberRoleView.as_view(), name="member-role"),
    path("settings/members/<uuid:member_id>/remove", RemoveMemberView.as_view(), name="member-remove"),
    path(
        "settings/invitations/<uuid:invitation_id>/withdraw",
        WithdrawInvitationView.as_view(),
        name="invitation-withdraw",
    ),
    path("settings/audit-log", AuditLogView.as_view(), name="audit-log"),
    path("commands", CommandsView.as_view(), name="commands"),
    path("organization", ChooseOrganizationView.as_view(), name="choose-organization"),
]
