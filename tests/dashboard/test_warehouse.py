"""Settings > Warehouse: cards, a form per provider, a live test, and a name to type before leaving a warehouse."""

from pathlib import Path
from typing import Any

import pytest

from levered_site.organizations.models import Role
from tests.api.test_connections import POSTGRES, SECRET, Fake
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from warehouse.models import Connection, Provider
from warehouse.sealed import unseal
from warehouse.services import connections

pytestmark = pytest.mark.django_db
URL = "/settings/warehouse"
FORM = POSTGRES | {"provider": "postgres", "name": "Shop", "confirmation": "Acme"}


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "open_connector", lambda *args: Fake())


def test_cards_with_the_managed_warehouse_first(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    page = sign_in(acme).get(URL).content.decode()
    labels = ["Managed warehouse", "PostgreSQL", "BigQuery", "Snowflake", "DuckDB"]
    places = [page.index(f'<h3 class="font-medium">{label}</h3>') for label in labels]
    assert places == sorted(places)
    assert "Hosted by Levered" in page
    assert "LEVERED_DUCKDB_DIRECTORY" in page
    assert "?provider=duckdb" not in page
    for role in (Role.MEMBER, Role.VIEWER):
        page = sign_in(acme, role).get(f"{URL}?provider=postgres").content.decode()
        assert "Connect a warehouse" not in page
        assert 'name="password"' not in page


@pytest.mark.usefixtures("answering")
def test_connecting_and_replacing(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    browser = sign_in(acme)
    form = browser.get(f"{URL}?provider=postgres").content.decode()
    assert all(f'name="{name}"' in form for name in (*FORM, "port", "sslmode"))
    answer = browser.post(URL, FORM, follow=True)
    page = answer.content.decode()
    assert "Connected." in page
    assert "Shop" in page
    assert SECRET not in page
    stored = Connection.objects.get()
    assert (stored.organization, stored.provider) == (acme.organization, "postgres")
    assert unseal(stored.token).values == POSTGRES | {"port": 5432}
    again = {k: v for k, v in FORM.items() if k != "confirmation"} | {"database": "other"}
    assert browser.post(URL, again).status_code == 302  # of the same kind: nothing to confirm
    assert unseal(Connection.objects.get().token).values["database"] == "other"


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"confirmation": "Globex"}, "not the organization&#x27;s name"),
        ({"confirmation": ""}, "This field is required"),
        ({"host": ""}, "This field is required"),
        ({"port": "many"}, "This must be a port"),
        ({"sslmode": "never"}, "never is not one"),
    ],
)
def test_what_is_wrong_stands_at_its_field(
    sign_in: SignIn, acme: Tenant, globex: Tenant, changes: dict[str, str], told: str
) -> None:
    answer = sign_in(acme).post(URL, FORM | changes)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert told in page
    assert 'value="shop"' in page  # what was typed is kept
    assert SECRET not in page  # but for secrets
    assert not Connection.objects.exists()


def test_a_key_in_json_is_not_shown_again(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    body = {"provider": "bigquery", "service_account": f'{{"type": "{SECRET}"}}', "confirmation": "Acme"}
    answer = sign_in(acme).post(URL, body)
    assert answer.status_code == 400
    assert "service_account" in answer.content.decode()
    assert SECRET not in answer.content.decode()


def test_the_live_test(sign_in: SignIn, acme: Tenant, globex: Tenant, settings: Any, tmp_path: Path) -> None:
    browser = sign_in(acme)
    page = browser.post(f"{URL}/test").content.decode()
    assert "It answers" in page
    assert "<code>exposures</code>, <code>rewards</code>" in page
    assert "<html" not in page
    refused = browser.post(f"{URL}/test", FORM | {"host": "127.0.0.1"}).content.decode()
    assert "Host: The host" in refused
    settings.DUCKDB_DIRECTORY = str(tmp_path)
    assert "no such file" in browser.post(f"{URL}/test", {"provider": "duckdb", "path": "x.duckdb"}).content.decode()
    assert not Connection.objects.exists()
    assert sign_in(acme, Role.MEMBER).post(f"{URL}/test").status_code == 403


def test_another_organizations_warehouse_is_not_told(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    Connection.objects.create(organization=globex.organization, provider=Provider.POSTGRES, name="Zq7 secret shop")
    assert "Zq7" not in sign_in(acme).get(URL).content.decode()
