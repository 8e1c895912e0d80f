from django.urls import URLPattern, path

from optimizations.api.ingest import IngestExposuresView, IngestRewardsView

urlpatterns: list[URLPattern] = [
    path("ingest/exposures", IngestExposuresView.as_view(), name="ingest-exposures"),
    path("ingest/rewards", IngestRewardsView.as_view(), name="ingest-rewards"),
]
