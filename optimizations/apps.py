from django.apps import AppConfig


class OptimizationsConfig(AppConfig):
    name = "optimizations"
