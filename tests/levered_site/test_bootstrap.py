import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from levered_site.organizations.models import Organization
from tests.conftest import client_with


def bootstrap(name: str) -> dict[str, str]:
    out = StringIO()
    call_command("bootstrap", organization=name, json=True, stdout=out)
    answer: dict[str, str] = json.loads(out.getvalue().splitlines()[-1])
    return answer


@pytest.mark.django_db
def test_bootstrap_is_idempotent_and_its_keys_may_do_everything() -> None:
    first, again, other = bootstrap("Acme"), bootstrap("Acme"), bootstrap("Globex")
    assert first["organization_id"] == again["organization_id"] != other["organization_id"]
    assert first["api_key"] != again["api_key"]
    assert Organization.objects.count() == 2
    for made in (first, again):
        me = client_with(made["api_key"]).get("/api/v2/me").json()
        assert me["organization"]["id"] == first["organization_id"]
        assert set(me["scopes"]) == {"ingest", "read", "manage", "administer"}


@pytest.mark.django_db
def test_an_admin_can_sign_in_with_the_password_that_is_shown_once() -> None:
    def run() -> list[str]:
        out = StringIO()
        call_command("bootstrap", organization="Acme", email="Ada@Acme.example", json=True, stdout=out)
        return out.getvalue().splitlines()

    first, again = run(), run()
    assert (len(first), len(again)) == (2, 1)
    password = first[0].split("password ")[1].split(" ")[0]
    browser = Client()
    browser.post("/login", {"username": "ADA@acme.example", "password": password})
    assert browser.get("/api/v2/me").json()["role"] == "admin"
