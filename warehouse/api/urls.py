from django.urls import URLPattern, path

from warehouse.api import metrics, sources, warehouse

urlpatterns: list[URLPattern] = [
    path("metrics", metrics.MetricListView.as_view(), name="metrics"),
    path("metrics/<uuid:metric_id>", metrics.MetricDetailView.as_view(), name="metric"),
    path("metrics/<uuid:metric_id>/preview", metrics.MetricPreviewView.as_view(), name="metric-preview"),
    path("assignment-source", sources.SourceView.as_view(), name="assignment-source"),
    path("assignment-source/preview", sources.SourcePreviewView.as_view(), name="assignment-source-preview"),
    path("connections", warehouse.ConnectionListView.as_view(), name="warehouse-connections"),
    path("connections/test", warehouse.ConnectionTestView.as_view(), name="warehouse-connection-test"),
    path("managed", warehouse.ManagedView.as_view(), name="warehouse-managed"),
    path("tables", warehouse.TableListView.as_view(), name="warehouse-tables"),
    path("tables/<str:table>/columns", warehouse.ColumnListView.as_view(), name="warehouse-columns"),
    path("query", warehouse.QueryView.as_view(), name="warehouse-query"),
]
