"""Which static files are published."""

from django.contrib.staticfiles.apps import StaticFilesConfig


class PublishedFiles(StaticFilesConfig):
    """All but `static/src/`: the stylesheet's source, which only its build understands."""

    ignore_patterns = [*StaticFilesConfig.ignore_patterns, "src/*"]
