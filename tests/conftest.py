"""Two organizations exist in every test that touches the API: what one owns, the other must never see."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import psycopg
import pytest
from django.conf import LazySettings, settings
from django.core.cache import caches
from django.db import connection as database
from rest_framework.test import APIClient

from levered_site.organizations.models import Membership, Organization, Role, Scope, User
from levered_site.organizations.services import create_api_key, create_organization
from optimizations.models import Optimization
from optimizations.services.snapshots import store
from warehouse.connectors import managed_sqlite
from warehouse.connectors.managed_postgres import ManagedPostgres
from warehouse.connectors.managed_sqlite import ManagedSqlite


def pytest_configure() -> None:
    # a hash that is slow to guess is slow to make, hundreds of times
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    # what `make run` collected may be old, and every test client would look through it: files are served from where
    # they lie, whichever test starts the live server
    settings.STATIC_ROOT = settings.DATA_DIR / "not-collected"
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True


@dataclass
class Tenant:
    """An organization with one user per role and one client per kind of credential."""

    organization: Organization
    secret: str

    @property
    def client(self) -> APIClient:
        """A client with a key of every scope."""
        return client_with(self.secret)

    def key(self, *scopes: str) -> str:
        return create_api_key(self.organization, name="test", scopes=scopes)[1]

    def with_scopes(self, *scopes: str) -> APIClient:
        return client_with(self.key(*scopes))

    def user(self, role: Role = Role.ADMIN) -> User:
        user, created = User.objects.get_or_create(email=f"{role}@{self.organization.name.lower()}.example")
        if created:
            Membership.objects.create(user=user, organization=self.organization, role=role)
        return user

    def browser(self, role: Role = Role.ADMIN, *, csrf: bool = False) -> APIClient:
        """A signed-in dashboard session."""
        client = APIClient(enforce_csrf_checks=csrf)
        client.force_login(self.user(role))
        return client


def client_with(secret: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def tenant(name: str) -> Tenant:
    organization = create_organization(name=name)
    return Tenant(organization, create_api_key(organization, name="all", scopes=list(Scope))[1])


@pytest.fixture
def acme(db: None) -> Tenant:
    return tenant("Acme")


@pytest.fixture
def globex(db: None) -> Tenant:
    return tenant("Globex")


@pytest.fixture
def anonymous() -> APIClient:
    return APIClient()


@pytest.fixture(autouse=True)
def _quiet_limits(settings: LazySettings) -> None:
    """Limits far above what a test sends; tests of the limits lower them again."""
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, "100000/m")
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    for cache in caches.all():
        cache.clear()


@pytest.fixture(autouse=True)
def _the_same_people_are_held_out(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is held out, and who gets which slot, hangs on the optimization's id: each run of a test has the same ids."""
    ids = (uuid5(NAMESPACE_OID, f"{request.node.nodeid} {number}") for number in count())
    monkeypatch.setattr(Optimization._meta.get_field("id"), "_get_default", lambda: next(ids))


@pytest.fixture(autouse=True)
def _managed_warehouse_sees_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's rows lie in a transaction that is never committed, where the warehouse's own connections see nothing."""

    @contextmanager
    def shared_session() -> Iterator["psycopg.Connection[Any]"]:
        database.ensure_connection()
        yield database.connection

    def dirty_connection() -> sqlite3.Connection:
        connection = managed_sqlite.own_connection()
        connection.execute("PRAGMA read_uncommitted = 1")
        return connection

    monkeypatch.setattr(ManagedPostgres, "session", staticmethod(shared_session))
    monkeypatch.setattr(ManagedSqlite, "connect", staticmethod(dirty_connection))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A browser's last connection to the live server may still hold a session: PostgreSQL drops no database in use."""
    yield
    if database.vendor == "postgresql":
        with django_db_blocker.unblock(), database.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(autouse=True)
def _fresh_snapshots(settings: LazySettings) -> Iterator[None]:
    """No thread beside the test: snapshots are read on a miss and by `store.refresh()`. Every test starts without."""
    settings.SNAPSHOT_POLL_SECONDS = 0
    store.stop()
    yield
    store.stop()
