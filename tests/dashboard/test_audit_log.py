"""Settings > Audit log."""

import re

import pytest

from levered_site.organizations.services import create_api_key
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import make_optimization

pytestmark = pytest.mark.django_db
URL = "/settings/audit-log"


def test_who_what_before_and_after(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    optimization = make_optimization(acme.organization, name="Old <b>name</b>")
    make_optimization(globex.organization, name="Theirs")
    browser = sign_in(acme)
    browser.post(f"/optimizations/{optimization.pk}/details", {"name": "New name", "description": ""})
    page = browser.get(URL)
    row = page.context["entries"][0]
    assert row["action"] == "Optimization updated"
    assert row["changes"] == [{"field": "name", "before": "Old <b>name</b>", "after": "New name"}]
    assert (row["entry"].actor, row["entry"].door) == ("admin@acme.example", "dashboard")
    html = page.content.decode()
    assert row["entry"].request_id in html
    assert "Old &lt;b&gt;name&lt;/b&gt;" in html
    assert "Theirs" not in html


def test_filters_narrow_together(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    browser = sign_in(acme)
    browser.post(f"/optimizations/{optimization.pk}/details", {"name": "New", "description": ""})
    acme.client.patch(f"/api/v2/optimizations/{optimization.pk}", {"name": "Newer"})

    def found(**query: str) -> list[tuple[str, str]]:
        entries = browser.get(URL, query).context["entries"]
        return [(row["action"], row["entry"].door) for row in entries]

    assert found(action="optimization.updated") == [
        ("Optimization updated", "api"),
        ("Optimization updated", "dashboard"),
    ]
    assert found(action="optimization.updated", door="api") == [("Optimization updated", "api")]
    assert found(actor="ADMIN@", object_name="new") == [("Optimization updated", "dashboard")]
    assert found(actor="nobody") == []
    assert "No entry matches" in browser.get(URL, {"actor": "nobody"}).content.decode()
    everything = len(found())
    assert len(found(action="nonsense")) == everything  # what is no choice narrows nothing
    for before in ("x", "-1", "9" * 30, "٣"):
        assert browser.get(URL, {"before": before}).status_code == 200


def test_pages_follow_the_entries_not_their_number(sign_in: SignIn, acme: Tenant) -> None:
    for i in range(60):
        create_api_key(acme.organization, name=f"key-{i:02}", scopes=["read"])
    browser = sign_in(acme)
    first = browser.get(URL, {"object_name": "key-"})
    assert first.context["newest_query"] == ""
    create_api_key(acme.organization, name="key-late", scopes=["read"])
    second = browser.get(URL + "?" + first.context["older_query"])
    names = [row["entry"].object_name for page in (first, second) for row in page.context["entries"]]
    assert [re.sub(r" .*", "", name) for name in names] == [f"key-{i:02}" for i in reversed(range(60))]
    assert second.context["newest_query"] == "object_name=key-"
    assert second.context["older_query"] == ""
