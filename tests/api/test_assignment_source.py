import datetime as dt
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from levered_site.errors import Conflict
from levered_site.organizations.models import Role
from tests.conftest import Tenant
from warehouse.models import AssignmentSource, Connection, Exposure, Provider
from warehouse.services.sources import active_source, default_source, source_in_use

URL = "/api/v2/warehouse/assignment-source"
MAPPING = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "variant": "variant"}
BODY: dict[str, Any] = {
    "name": "Exposure Events",
    "sql": "SELECT anonymous_id, timestamp, variant FROM exposures",
    "column_mapping": MAPPING,
}


def expose(tenant: Tenant, anonymous_id: str) -> None:
    Exposure.objects.create(
        organization=tenant.organization,
        optimization_id=uuid4(),
        anonymous_id=anonymous_id,
        timestamp=dt.datetime(2026, 3, 28, 14, 0, 0, 250_000, tzinfo=dt.UTC),
        variant={"cta": "A"},
        context={},
    )


@pytest.mark.django_db
class TestAssignmentSource:
    def test_there_is_none_at_first(self, acme: Tenant, globex: Tenant) -> None:
        for answer in (acme.client.get(URL), acme.client.delete(URL), acme.client.post(f"{URL}/preview")):
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "not_found"

    def test_a_new_source_replaces_the_old_one(self, acme: Tenant, globex: Tenant) -> None:
        first = acme.client.post(URL, BODY)
        assert first.status_code == 201
        assert {k: first.json()[k] for k in BODY} == BODY
        second = acme.client.post(URL, BODY | {"name": "Again"})
        assert second.status_code == 201
        shown = acme.client.get(URL).json()
        assert (shown["id"], shown["name"]) == (second.json()["id"], "Again")
        assert shown["updated_at"] is None
        assert AssignmentSource.objects.filter(active=True).count() == 1
        assert globex.client.get(URL).status_code == 404

    def test_a_refused_source_leaves_the_old_one(self, acme: Tenant, globex: Tenant) -> None:
        kept = acme.client.post(URL, BODY).json()["id"]
        assert acme.client.post(URL, BODY | {"sql": "SELECT 1 AS one"}).status_code == 400
        assert acme.client.get(URL).json()["id"] == kept

    def test_preview(self, acme: Tenant, globex: Tenant) -> None:
        expose(acme, "ann")
        expose(globex, "spy")
        acme.client.post(URL, BODY)
        rows = acme.client.post(f"{URL}/preview").json()["rows"]
        assert rows == [{"anonymous_id": "ann", "timestamp": "2026-03-28T14:00:00.250000Z", "variant": '{"cta": "A"}'}]

    def test_delete(self, acme: Tenant, globex: Tenant) -> None:
        acme.client.post(URL, BODY)
        globex.client.post(URL, BODY)
        assert acme.client.delete(URL).status_code == 204
        assert acme.client.get(URL).status_code == 404
        assert globex.client.get(URL).status_code == 200

    def test_factors_may_be_columns(self, acme: Tenant, globex: Tenant) -> None:
        sql = "SELECT anonymous_id, timestamp, variant ->> 'cta' AS cta_col FROM exposures"
        mapping = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "factors": {"cta": "cta_col"}}
        made = acme.client.post(URL, BODY | {"sql": sql, "column_mapping": mapping})
        assert made.status_code == 201
        assert made.json()["column_mapping"] == mapping

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": " "}, "name"),
            ({"sql": "DELETE FROM exposures"}, "sql"),
            ({"sql": "SELECT * FROM managed_exposures"}, "sql"),
            ({"sql": "SELECT headline FROM exposures"}, None),
            ({"extra": 1}, "extra"),
            ({"column_mapping": {"timestamp": "timestamp"}}, "column_mapping.anonymous_id"),
            ({"column_mapping": MAPPING | {"context": "context"}}, "column_mapping.context"),
            ({"column_mapping": MAPPING | {"factors": {"cta": "cta"}}}, "column_mapping.factors.cta"),
            ({"column_mapping": MAPPING | {"factors": ["cta"]}}, "column_mapping.factors"),
            ({"column_mapping": MAPPING | {"factors": {"cta": 1}}}, "column_mapping.factors.cta"),
            ({"column_mapping": MAPPING | {"value": "variant"}}, "column_mapping.value"),
        ],
    )
    def test_bad_bodies(self, acme: Tenant, globex: Tenant, change: dict[str, Any], field: str | None) -> None:
        answer = acme.client.post(URL, BODY | change)
        assert answer.status_code == 400, answer.content
        if field:
            assert field in [d["field"] for d in answer.json()["error"]["details"]]
        assert not AssignmentSource.objects.exists()

    def test_who_may(self, acme: Tenant, anonymous: APIClient) -> None:
        acme.client.post(URL, BODY)
        for client in (acme.with_scopes("read"), acme.browser(Role.VIEWER)):
            assert client.get(URL).status_code == 200
            assert client.post(f"{URL}/preview").status_code == 200
            assert client.post(URL, BODY).status_code == 403
            assert client.delete(URL).status_code == 403
        assert acme.with_scopes("ingest").get(URL).status_code == 403
        for answer in (anonymous.get(URL), anonymous.post(URL, BODY), anonymous.delete(URL)):
            assert answer.status_code == 401


@pytest.mark.django_db
class TestWhichSource:
    def test_the_default_reads_the_exposures_table(self, acme: Tenant, globex: Tenant) -> None:
        made = default_source(acme.organization)
        assert default_source(acme.organization) == made
        assert active_source(globex.organization) is None
        expose(acme, "ann")
        rows = acme.client.post(f"{URL}/preview").json()["rows"]
        assert [r["anonymous_id"] for r in rows] == ["ann"]

    def test_only_the_managed_warehouse_has_a_default(self, acme: Tenant, globex: Tenant) -> None:
        Connection.objects.create(organization=acme.organization, provider=Provider.POSTGRES)
        with pytest.raises(Conflict) as refused:
            default_source(acme.organization)
        assert refused.value.code == "not_managed"

    def test_a_replaced_source_takes_over_and_a_deleted_one_stops(self, acme: Tenant, globex: Tenant) -> None:
        old = default_source(acme.organization)
        assert source_in_use(acme.organization, old) == old
        acme.client.post(URL, BODY)
        old.refresh_from_db()
        new = active_source(acme.organization)
        assert source_in_use(acme.organization, old) == new != old
        acme.client.delete(URL)
        with pytest.raises(Conflict, match="no assignment source"):
            source_in_use(acme.organization, old)
