"""A signed-in browser without JavaScript: Django's own client, which sends forms."""

from collections.abc import Callable

import pytest
from django.test import Client

from levered_site.organizations.models import Role
from tests.conftest import Tenant

SignIn = Callable[..., Client]


@pytest.fixture
def sign_in() -> SignIn:
    """`sign_in(tenant, role=…, csrf=…)`."""

    def signed_in(tenant: Tenant, role: Role = Role.ADMIN, *, csrf: bool = False) -> Client:
        client = Client(enforce_csrf_checks=csrf)
        client.force_login(tenant.user(role))
        return client

    return signed_in
