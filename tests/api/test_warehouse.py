import datetime as dt
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from levered_site.errors import Conflict
from levered_site.organizations.models import Role
from tests.api.test_metrics import reward
from tests.conftest import Tenant
from warehouse.models import Connection, Exposure, Provider
from warehouse.services.catalog import EventName, event_names, metric_for_event
from warehouse.services.connections import provider_of, require_managed

BASE = "/api/v2/warehouse"
QUERY = f"{BASE}/query"


@pytest.mark.django_db
class TestConnections:
    def test_without_a_row_it_is_the_managed_warehouse(self, acme: Tenant, globex: Tenant) -> None:
        (shown,) = acme.client.get(f"{BASE}/connections").json()["connections"]
        assert shown["provider"] == "managed"
        assert shown["id"] is None
        require_managed(acme.organization)

    def test_switching_to_the_managed_warehouse(self, acme: Tenant, globex: Tenant) -> None:
        Connection.objects.create(organization=acme.organization, provider=Provider.SNOWFLAKE)
        with pytest.raises(Conflict) as refused:
            require_managed(acme.organization)
        assert refused.value.code == "not_managed"
        for _ in range(2):
            answer = acme.client.post(f"{BASE}/managed")
            assert answer.status_code == 200
            assert answer.json()["provider"] == "managed"
        assert acme.client.get(f"{BASE}/connections").json()["connections"][0]["id"] == answer.json()["id"]
        assert provider_of(acme.organization) == Provider.MANAGED
        assert not Connection.objects.filter(organization=globex.organization).exists()

    def test_only_administrators_switch(self, acme: Tenant, anonymous: APIClient) -> None:
        for client in (acme.browser(Role.MEMBER), acme.browser(Role.VIEWER), acme.with_scopes("read", "ingest")):
            assert client.post(f"{BASE}/managed").status_code == 403
        assert anonymous.post(f"{BASE}/managed").status_code == 401
        assert anonymous.get(f"{BASE}/connections").status_code == 401
        assert not Connection.objects.exists()


@pytest.mark.django_db
class TestTables:
    def test_two_tables_with_their_columns(self, acme: Tenant, globex: Tenant) -> None:
        tables = acme.client.get(f"{BASE}/tables").json()["tables"]
        assert [t["name"] for t in tables] == ["exposures", "rewards"]
        for table in tables:
            assert acme.client.get(f"{BASE}/tables/{table['name']}/columns").json()["columns"] == table["columns"]
            columns = acme.client.post(QUERY, {"sql": f"SELECT * FROM {table['name']}"}).json()["columns"]
            assert columns == [c["name"] for c in table["columns"]]
        assert acme.client.get(f"{BASE}/tables/managed_dw.Rewards/columns").status_code == 200

    @pytest.mark.parametrize("table", ["managed_rewards", "sqlite_master", "pg_class", "organizations_apikey"])
    def test_other_tables_are_not_found(self, acme: Tenant, globex: Tenant, table: str) -> None:
        assert acme.client.get(f"{BASE}/tables/{table}/columns").status_code == 404

    def test_nobody(self, acme: Tenant, anonymous: APIClient) -> None:
        assert anonymous.get(f"{BASE}/tables").status_code == 401
        assert anonymous.get(f"{BASE}/tables/rewards/columns").status_code == 401
        assert acme.with_scopes("ingest").get(f"{BASE}/tables").status_code == 403


@pytest.mark.django_db
class TestQuery:
    def test_rows_and_columns(self, acme: Tenant, globex: Tenant) -> None:
        reward(acme.organization, value=2.5, properties={"plan": "pro"})
        reward(globex.organization)
        sql = "SELECT timestamp_utc, name, value, properties FROM managed_dw.rewards"
        answer = acme.client.post(QUERY, {"sql": sql})
        assert answer.status_code == 200
        body = answer.json()
        assert body["columns"] == ["timestamp_utc", "name", "value", "properties"]
        assert body["rows"] == [
            {
                "timestamp_utc": "2026-03-28T14:00:00Z",
                "name": "signup",
                "value": 2.5,
                "properties": '{"plan": "pro"}',
            }
        ]

    def test_ids_read_as_the_api_writes_them(self, acme: Tenant, globex: Tenant) -> None:
        optimization_id = uuid4()
        now = dt.datetime.now(dt.UTC)
        Exposure.objects.create(
            organization=acme.organization, optimization_id=optimization_id, anonymous_id="ann", timestamp=now,
            variant={}, context={},
        )  # fmt: skip
        sql = f"SELECT optimization_id FROM exposures WHERE optimization_id = '{optimization_id}'"
        assert acme.client.post(QUERY, {"sql": sql}).json()["rows"] == [{"optimization_id": str(optimization_id)}]

    def test_columns_that_share_a_name_are_numbered(self, acme: Tenant, globex: Tenant) -> None:
        body = acme.client.post(QUERY, {"sql": "SELECT 1 AS a, 2 AS a, 'x' AS b"}).json()
        assert len(set(body["columns"])) == 3
        assert sorted(map(str, body["rows"][0].values())) == ["1", "2", "x"]

    def test_the_limit(self, acme: Tenant, globex: Tenant) -> None:
        for _ in range(105):
            reward(acme.organization)
        sql = "SELECT name FROM rewards"
        assert len(acme.client.post(QUERY, {"sql": sql}).json()["rows"]) == 100
        assert len(acme.client.post(QUERY, {"sql": sql, "limit": 3}).json()["rows"]) == 3
        assert len(acme.client.post(QUERY, {"sql": f"{sql} LIMIT 5", "limit": 1000}).json()["rows"]) == 5

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "sql"),
            ({"sql": ""}, "sql"),
            ({"sql": "SELECT 1", "limit": 0}, "limit"),
            ({"sql": "SELECT 1", "limit": 1001}, "limit"),
            ({"sql": "SELECT 1", "limit": "many"}, "limit"),
            ({"sql": "SELECT 1", "rows": 1}, "rows"),
            ({"sql": "DROP TABLE rewards"}, "sql"),
        ],
    )
    def test_bad_bodies(self, acme: Tenant, globex: Tenant, body: dict[str, Any], field: str) -> None:
        answer = acme.client.post(QUERY, body)
        assert answer.status_code == 400
        assert field in [d["field"] for d in answer.json()["error"]["details"]]

    def test_who_may(self, acme: Tenant, anonymous: APIClient) -> None:
        body = {"sql": "SELECT 1 AS one"}
        assert acme.with_scopes("read").post(QUERY, body).json()["rows"] == [{"one": 1}]
        assert acme.browser(Role.VIEWER).post(QUERY, body).status_code == 200
        assert acme.with_scopes("ingest").post(QUERY, body).status_code == 403
        assert anonymous.post(QUERY, body).status_code == 401


@pytest.mark.django_db
class TestEventNames:
    def test_names_with_counts_the_most_frequent_first(self, acme: Tenant, globex: Tenant) -> None:
        for name in ("buy", "signup", "signup"):
            last = reward(acme.organization, name=name)
        reward(globex.organization, name="secret")
        assert event_names(acme.organization) == [
            EventName("signup", 2, last.timestamp),
            EventName("buy", 1, last.timestamp),
        ]

    def test_a_metric_of_an_event_is_made_once(self, acme: Tenant, globex: Tenant) -> None:
        name = 'o\'clock -- "x" %s'
        reward(acme.organization, name=name)
        reward(acme.organization, name="other")
        metric = metric_for_event(acme.organization, name=name, reward_type="bool")
        assert metric_for_event(acme.organization, name=name, reward_type="bool") == metric
        assert metric_for_event(acme.organization, name=name, reward_type="numeric") != metric
        rows = acme.client.post(f"{BASE}/metrics/{metric.pk}/preview").json()["rows"]
        assert len(rows) == 1
