"""Every route of the product with the methods it answers, read from the URL map: a new one cannot be forgotten."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, get_resolver

from levered_site.organizations.members import invite
from levered_site.organizations.models import Membership, Role
from levered_site.organizations.services import create_api_key
from tests.conftest import Tenant
from tests.factories import make_optimization
from tests.oauth.flow import connected

METHODS = ("get", "post", "put", "patch", "delete")
# what has no tenant, or is Django's and the libraries' own
OTHERS = {
    "admin",
    "login",
    "logout",
    "join",
    "healthz",
    "readyz",
    "schema",
    "docs",
    "mcp",
    "protected-resource",
    "static",
}
OTHERS |= {"sso", "sso-callback"}  # tests/oidc
OTHERS |= {"authorize", "token", "revoke-token", "dcr-register", "dcr-register-management"}  # tests/oauth


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


def own_ids(tenant: Tenant) -> dict[str, Any]:
    """Per parameter of a route, the id of an object of the organization."""
    organization = tenant.organization
    optimization = make_optimization(organization)
    invitation, _ = invite(organization, email="invited@example.com", role="viewer", base_url="")
    tenant.user()
    return {
        "optimization_id": optimization.pk,
        "model_id": optimization.models.get().pk,
        "metric_id": optimization.reward_metric_id,
        "key_id": create_api_key(organization, name="k", scopes=["read"])[0].pk,
        "member_id": Membership.objects.get(user=tenant.user(Role.VIEWER)).public_id,
        "invitation_id": invitation.pk,
        "connection_id": connected(tenant).pk,
        "table": "rewards",
    }


def _routes(resolver: Any, prefix: str) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        path = prefix + str(pattern.pattern)
        if not isinstance(pattern, URLPattern):
            yield from _routes(pattern, path)
        elif "^" not in path:  # what answers "no such path"
            view: Any = getattr(pattern.callback, "cls", None) or getattr(pattern.callback, "view_class", None)
            answered = METHODS if view is None else view.http_method_names
            methods = tuple(m for m in METHODS if m in answered and (view is None or hasattr(view, m)))
            parameters = tuple(re.findall(r"<(?:\w+:)?(\w+)>", path))
            yield Route(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), pattern.name or "", parameters, methods)
