"""The pages. `login` and `logout` lie in the URL map of the whole product."""

from django.urls import path

from optimizations.dashboard.views.api_keys import ApiKeysView, RevokeApiKeyView
from optimizations.dashboard.views.create import CreateOptimizationView
from optimizations.dashboard.views.metrics import MetricsView
from optimizations.dashboard.views.optimization import MoveView, OptimizationView, TrainingStateView, TrainView
from optimizations.dashboard.views.optimizations import OptimizationsView
from optimizations.dashboard.views.report import ReportView
from optimizations.dashboard.views.warehouse import ManagedWarehouseView, WarehouseView
from optimizations.states import Status

app_name = "dashboard"

complete = MoveView.as_view(status=Status.COMPLETED, done="Completed. The winner is now served to everyone.")
archive = MoveView.as_view(status=Status.ARCHIVED, done="Archived. Nothing is served any more; the data stays.")

urlpatterns = [
    path("", OptimizationsView.as_view(), name="optimizations"),
    path("optimizations/new", CreateOptimizationView.as_view(), name="optimization-create"),
    path("optimizations/<uuid:optimization_id>", OptimizationView.as_view(), name="optimization"),
    path("optimizations/<uuid:optimization_id>/training", TrainingStateView.as_view(), name="optimization-training"),
    path("optimizations/<uuid:optimization_id>/report", ReportView.as_view(), name="optimization-report"),
    path("optimizations/<uuid:optimization_id>/train", TrainView.as_view(), name="optimization-train"),
    path("optimizations/<uuid:optimization_id>/complete", complete, name="optimization-complete"),
    path("optimizations/<uuid:optimization_id>/archive", archive, name="optimization-archive"),
    path("metrics", MetricsView.as_view(), name="metrics"),
    path("settings/warehouse", WarehouseView.as_view(), name="warehouse"),
    path("settings/warehouse/managed", ManagedWarehouseView.as_view(), name="warehouse-managed"),
    path("settings/api-keys", ApiKeysView.as_view(), name="api-keys"),
    path("settings/api-keys/<uuid:key_id>/revoke", RevokeApiKeyView.as_view(), name="api-key-revoke"),
]
