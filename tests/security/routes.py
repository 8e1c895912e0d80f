"""Every route of the product with the methods it answers, read from the URL map: a new one cannot be forgotten."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, get_resolver

METHODS = ("get", "post", "put", "patch", "delete")
# what has no tenant, or is Django's and the libraries' own
OTHERS = {"admin", "login", "logout", "healthz", "readyz", "schema", "docs", "mcp", "protected-resource", "static"}


@dataclass(frozen=True)
class Route:
    """`path` with its parameters as `{name}`."""

    path: str
    name: str
    parameters: tuple[str, ...]
    methods: tuple[str, ...]

    def __str__(self) -> str:
        return self.path

    def url(self, **values: Any) -> str:
        return self.path.format(**values)


def all_routes() -> list[Route]:
    return [r for r in _routes(get_resolver(), "/") if not r.path.startswith(("/admin/", "/.well-known/"))]


def tenant_routes() -> list[Route]:
    return [route for route in all_routes() if route.name not in OTHERS]


def _routes(resolver: Any, prefix: str) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if not isinstance(pattern, URLPattern):
            yield from _routes(pattern, path)
        elif "^" not in path:  # what answers "no such path"
            view: Any = getattr(pattern.callback, "cls", None) or getattr(pattern.callback, "view_class", None)
            methods = tuple(m for m in METHODS if view is None or hasattr(view, m))
            parameters = tuple(re.findall(r"<(?:\w+:)?(\w+)>", path))
            yield Route(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), pattern.name or "", parameters, methods)
