from django.urls import path

from optimizations.api import estimate, guardrails, health, ingest, models, optimizations, progress, results, statements
from optimizations.api.serve import best_variant, serve

urlpatterns = [
    path("optimizations", optimizations.OptimizationListView.as_view(), name="optimizations"),
    path("optimizations/best-variant", best_variant, name="best-variant"),
    path("optimizations/estimate", estimate.EstimateView.as_view(), name="estimate"),
    path("optimizations/<uuid:optimization_id>", optimizations.OptimizationView.as_view(), name="optimization"),
    path("optimizations/<str:optimization_id>/serve", serve, name="serve"),
    path("optimizations/<uuid:optimization_id>/model", models.NewModelView.as_view(), name="new-model"),
    path("optimizations/<uuid:optimization_id>/results", results.ResultsView.as_view(), name="results"),
    path("optimizations/<uuid:optimization_id>/results.csv", results.ResultsCsvView.as_view(), name="results-csv"),
    path("optimizations/<uuid:optimization_id>/progress", progress.ProgressView.as_view(), name="progress"),
    path("optimizations/<uuid:optimization_id>/guardrails", guardrails.GuardrailsView.as_view(), name="guardrails"),
    path("optimizations/<uuid:optimization_id>/health", health.HealthView.as_view(), name="health"),
    path("optimizations/<uuid:optimization_id>/resume", guardrails.ResumeView.as_view(), name="resume"),
    path("optimizations/<uuid:optimization_id>/lift-history", progress.LiftHistoryView.as_view(), name="lift-history"),
    path("optimizations/<uuid:optimization_id>/observations", progress.ObservationsView.as_view(), name="observations"),
    path("optimizations/<uuid:optimization_id>/sql", statements.StatementsView.as_view(), name="statements"),
    path("models", models.ModelListView.as_view(), name="models"),
    path("models/<uuid:model_id>", models.ModelView.as_view(), name="model"),
    path("models/<uuid:model_id>/state", progress.ModelStateView.as_view(), name="model-state"),
    path("models/<uuid:model_id>/train", models.TrainView.as_view(), name="train"),
    path("ingest/exposures", ingest.IngestExposuresView.as_view(), name="ingest-exposures"),
    path("ingest/rewards", ingest.IngestRewardsView.as_view(), name="ingest-rewards"),
]
