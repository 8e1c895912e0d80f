"""Settings > Assignment source."""

from typing import Any

import pytest

from levered_site.organizations.models import Role
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import make_optimization
from warehouse.services.sources import DEFAULT_SQL, active_source, default_source

pytestmark = pytest.mark.django_db
URL = "/settings/assignment-source"


def form(**changes: str) -> dict[str, str]:
    columns = {
        "anonymous_id": "anonymous_id",
        "timestamp": "timestamp",
        "variant": "variant",
        "context": "",
        "factors": "",
    }
    return {"name": "Ours", "sql": DEFAULT_SQL} | columns | changes


def test_it_shows_what_is_in_use_and_replaces_it(sign_in: SignIn, acme: Tenant, globex: Tenant) -> None:
    old = default_source(acme.organization)
    browser = sign_in(acme)
    page = browser.get(URL)
    assert page.context["form"]["sql"].value() == DEFAULT_SQL
    assert {"exposures", "rewards"} <= set(page.context["tables"])
    assert "anonymous_id" in page.context["tables"]["exposures"]
    assert browser.post(URL, form()).status_code == 302
    new = active_source(acme.organization)
    assert new is not None
    assert new.pk != old.pk
    assert (new.name, new.column_mapping) == (
        "Ours", {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "variant": "variant"},
    )  # fmt: skip
    assert active_source(globex.organization) is None


def test_factor_columns_take_the_place_of_the_variant(sign_in: SignIn, acme: Tenant) -> None:
    sql = "SELECT anonymous_id, timestamp, variant AS h FROM exposures"
    answer = sign_in(acme).post(URL, form(sql=sql, variant="", factors="headline = h\n\ncta=h"))
    assert answer.status_code == 302
    source = active_source(acme.organization)
    assert source is not None
    assert source.column_mapping["factors"] == {"headline": "h", "cta": "h"}
    shown = sign_in(acme).get(URL).context["form"]["factors"].value()
    assert shown == "cta = h\nheadline = h"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"sql": ""}, "sql"),
        ({"sql": "SELECT nothing FROM exposures"}, "sql"),
        ({"sql": "DELETE FROM exposures"}, "sql"),
        ({"sql": "SELECT * FROM auth_user"}, "sql"),
        ({"timestamp": "moment"}, "timestamp"),
        ({"variant": "", "factors": "headline = missing"}, "factors"),
        ({"factors": "headline"}, "factors"),
    ],
)
def test_errors_stand_at_their_fields_and_nothing_typed_is_lost(
    sign_in: SignIn, acme: Tenant, changes: dict[str, str], field: str
) -> None:
    default_source(acme.organization)
    answer = sign_in(acme).post(URL, form(name="Typed name") | changes)
    assert answer.status_code == 400
    assert list(answer.context["form"].errors) == [field]
    assert answer.context["form"]["sql"].value() == changes.get("sql", DEFAULT_SQL)
    source = active_source(acme.organization)
    assert source is not None
    assert source.name == "Exposures"


def test_a_preview_saves_nothing(sign_in: SignIn, acme: Tenant) -> None:
    make_optimization(acme.organization)
    browser = sign_in(acme)
    shown: Any = browser.post(URL, form(name="", preview="1")).context["preview"]
    assert shown["columns"] == ["anonymous_id", "timestamp", "optimization_id", "variant", "context"]
    wrong = browser.post(URL, form(sql="SELECT missing FROM exposures", preview="1"))
    assert "missing" in str(wrong.context["form"].errors["sql"])
    assert acme.organization.assignment_sources.count() == 1


def test_a_viewer_reads_only(sign_in: SignIn, acme: Tenant) -> None:
    viewer = sign_in(acme, Role.VIEWER)
    assert "Use this source" not in viewer.get(URL).content.decode()
    assert viewer.post(URL, form()).status_code == 403
