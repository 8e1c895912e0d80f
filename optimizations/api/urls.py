from django.urls import URLPattern, path

from optimizations.api.serve import best_variant, serve

urlpatterns: list[URLPattern] = [
    path("optimizations/best-variant", best_variant, name="best-variant"),
    path("optimizations/<str:optimization_id>/serve", serve, name="serve"),
]
