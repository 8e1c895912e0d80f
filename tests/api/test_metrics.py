import datetime as dt
from typing import Any

import pytest
from rest_framework.test import APIClient

from levered_site.organizations.models import Organization, Role
from optimizations.models import Guardrail, Optimization
from tests.conftest import Tenant
from warehouse.models import Metric, Reward

URL = "/api/v2/warehouse/metrics"
NAMED = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "name": "value"}
SQL = "SELECT anonymous_id, timestamp, value FROM rewards WHERE name = 'signup'"
MAPPING = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "reward_type": "bool"}
BODY: dict[str, Any] = {"name": "Signup Conversion", "sql": SQL, "column_mapping": MAPPING}
OUTCOMES = [
    {"key": "trial", "weight": 1, "match": {"by": "name", "value": "trial"}},
    {"key": "paid", "weight": 10, "match": {"by": "name", "value": "paid"}},
]


def reward(organization: Organization, **fields: Any) -> Reward:
    defaults: dict[str, Any] = {
        "anonymous_id": "ann",
        "name": "signup",
        "timestamp": dt.datetime(2026, 3, 28, 14, 0, tzinfo=dt.UTC),
    }
    return Reward.objects.create(organization=organization, **(defaults | fields))


def optimization(tenant: Tenant, metric_id: str) -> Optimization:
    return Optimization.objects.create(
        organization=tenant.organization,
        name="Hero",
        training_data_config={},
        reward_metric_id=metric_id,
        updated_at=dt.datetime.now(dt.UTC),
    )


@pytest.mark.django_db
class TestMetrics:
    def test_a_metric_is_made_listed_and_read(self, acme: Tenant, globex: Tenant) -> None:
        made = acme.client.post(URL, BODY)
        assert made.status_code == 201
        body = made.json()
        assert body["meta"]["organization_id"] == acme.organization.public_id
        assert {k: body[k] for k in BODY} == BODY
        assert body["created_at"].endswith("Z")
        assert body["updated_at"] is None
        shown = acme.client.get(f"{URL}/{body['id']}").json()
        assert {k: v for k, v in shown.items() if k != "meta"} == {k: v for k, v in body.items() if k != "meta"}
        assert [m["id"] for m in acme.client.get(URL).json()["metrics"]] == [body["id"]]
        assert globex.client.get(URL).json()["metrics"] == []

    def test_the_mapping_is_answered_as_it_was_sent(self, acme: Tenant, globex: Tenant) -> None:
        mapping = {"anonymous_id": "anonymous_id", "timestamp": "timestamp"}
        assert acme.client.post(URL, BODY | {"column_mapping": mapping}).json()["column_mapping"] == mapping

    def test_another_organizations_metric_is_not_found(self, acme: Tenant, globex: Tenant) -> None:
        metric = acme.client.post(URL, BODY).json()["id"]
        for answer in (
            globex.client.get(f"{URL}/{metric}"),
            globex.client.delete(f"{URL}/{metric}"),
            globex.client.post(f"{URL}/{metric}/preview"),
        ):
            assert answer.status_code == 404
            assert answer.json()["error"]["code"] == "not_found"
        assert Metric.objects.filter(pk=metric).exists()

    def test_the_preview_shows_this_organizations_rows(self, acme: Tenant, globex: Tenant) -> None:
        reward(acme.organization)
        reward(acme.organization, name="other")
        reward(globex.organization, anonymous_id="spy")
        metric = acme.client.post(URL, BODY).json()["id"]
        answer = acme.client.post(f"{URL}/{metric}/preview")
        assert answer.status_code == 200
        assert answer.json()["rows"] == [{"anonymous_id": "ann", "timestamp": "2026-03-28T14:00:00Z", "value": 1.0}]

    def test_a_preview_has_at_most_a_hundred_rows(self, acme: Tenant, globex: Tenant) -> None:
        for _ in range(101):
            reward(acme.organization)
        metric = acme.client.post(URL, BODY).json()["id"]
        assert len(acme.client.post(f"{URL}/{metric}/preview").json()["rows"]) == 100

    def test_outcomes(self, acme: Tenant, globex: Tenant) -> None:
        body = BODY | {
            "sql": "SELECT anonymous_id, timestamp, name FROM rewards",
            "column_mapping": MAPPING | {"name": "name", "outcomes": OUTCOMES},
        }
        made = acme.client.post(URL, body)
        assert made.status_code == 201
        assert made.json()["column_mapping"]["outcomes"] == OUTCOMES

    def test_start_date_is_bound(self, acme: Tenant, globex: Tenant) -> None:
        reward(acme.organization)
        metric = acme.client.post(URL, BODY | {"sql": f"{SQL} AND timestamp >= @start_date"})
        assert metric.status_code == 201
        assert len(acme.client.post(f"{URL}/{metric.json()['id']}/preview").json()["rows"]) == 1

    def test_delete(self, acme: Tenant, globex: Tenant) -> None:
        metric = acme.client.post(URL, BODY).json()["id"]
        answer = acme.client.delete(f"{URL}/{metric}")
        assert answer.status_code == 204
        assert answer.content == b""
        assert acme.client.get(f"{URL}/{metric}").status_code == 404

    def test_a_used_metric_is_not_deleted(self, acme: Tenant, globex: Tenant) -> None:
        used, guard = (acme.client.post(URL, BODY).json()["id"] for _ in range(2))
        live = optimization(acme, used)
        Guardrail.objects.create(optimization=live, metric_id=guard, direction="increase", margin_percent=1)
        for metric in (used, guard):
            answer = acme.client.delete(f"{URL}/{metric}")
            assert answer.status_code == 409
            assert answer.json()["error"]["code"] == "conflict"
        assert Metric.objects.count() == 2

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"name": ""}, "name"),
            ({"name": None}, "name"),
            ({"name": "x" * 256}, "name"),
            ({"sql": ""}, "sql"),
            ({"sql": 7}, "sql"),
            ({"sql": "SELEC anonymous_id"}, "sql"),
            ({"sql": "SELECT anonymous_id, timestamp FROM rewards; SELECT 1"}, "sql"),
            ({"sql": "SELECT anonymous_id, timestamp FROM conversions"}, "sql"),
            ({"sql": "SELECT anonymous_id, timestamp FROM rewards WHERE timestamp > @end_date"}, "sql"),
            ({"columns": {}}, "columns"),
            ({"column_mapping": None}, "column_mapping"),
            ({"column_mapping": []}, "column_mapping"),
            ({"column_mapping": "anonymous_id"}, "column_mapping"),
            ({"column_mapping": {}}, "column_mapping.anonymous_id"),
            ({"column_mapping": {"anonymous_id": "anonymous_id"}}, "column_mapping.timestamp"),
            ({"column_mapping": MAPPING | {"timestamp": 5}}, "column_mapping.timestamp"),
            ({"column_mapping": MAPPING | {"timestamp": "at"}}, "column_mapping.timestamp"),
            ({"column_mapping": MAPPING | {"reward_type": "boolean"}}, "column_mapping.reward_type"),
            ({"column_mapping": MAPPING | {"reward_type": "numeric"}}, "column_mapping.value"),
            ({"column_mapping": MAPPING | {"reward_type": "numeric", "value": "revenue"}}, "column_mapping.value"),
            ({"column_mapping": MAPPING | {"valeu": "value"}}, "column_mapping.valeu"),
            ({"column_mapping": MAPPING | {"outcomes": OUTCOMES}}, "column_mapping.name"),
            ({"column_mapping": NAMED | {"outcomes": OUTCOMES[:1]}}, "column_mapping.outcomes"),
            (
                {"column_mapping": NAMED | {"outcomes": [OUTCOMES[0], OUTCOMES[0]]}},
                "column_mapping.outcomes[1].key",
            ),
            (
                {
                    "column_mapping": MAPPING
                    | {"name": "value", "outcomes": [OUTCOMES[0], OUTCOMES[1] | {"key": "failure"}]}
                },
                "column_mapping.outcomes[1].key",
            ),
            *(
                (
                    {"column_mapping": NAMED | {"outcomes": [OUTCOMES[0], OUTCOMES[1] | {"weight": weight}]}},
                    "column_mapping.outcomes[1].weight",
                )
                for weight in ("x", True, -1.1e15, 10**300, 1e-170)
            ),
            (
                {"column_mapping": NAMED | {"outcomes": [OUTCOMES[0], OUTCOMES[1] | {"match": {}}]}},
                "column_mapping.outcomes[1].match",
            ),
            (
                {
                    "column_mapping": MAPPING
                    | {"value": "value", "name": "value", "reward_type": "numeric", "outcomes": OUTCOMES}
                },
                "column_mapping.reward_type",
            ),
        ],
    )
    def test_bad_bodies(self, acme: Tenant, globex: Tenant, change: dict[str, Any], field: str) -> None:
        answer = acme.client.post(URL, BODY | change)
        assert answer.status_code == 400, answer.content
        error = answer.json()["error"]
        assert error["code"] == "invalid_request"
        assert field in [d["field"] for d in error["details"]]
        assert not Metric.objects.exists()

    def test_the_warehouse_has_its_say(self, acme: Tenant, globex: Tenant) -> None:
        answer = acme.client.post(URL, BODY | {"sql": "SELECT anonymous_id, timestamp, revenue FROM rewards"})
        assert answer.status_code == 400
        assert "revenue" in answer.json()["error"]["message"]
        quoted = acme.client.post(URL, BODY | {"sql": 'SELECT "user_id" AS anonymous_id, timestamp FROM rewards'})
        assert quoted.status_code == 400  # SQLite would take a misspelt "column" for a string
        assert not Metric.objects.exists()

    def test_several_columns_of_one_name(self, acme: Tenant, globex: Tenant) -> None:
        sql = "SELECT a.anonymous_id, a.timestamp, b.timestamp FROM rewards a CROSS JOIN rewards b"
        answer = acme.client.post(URL, BODY | {"sql": sql})
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["field"] == "column_mapping.timestamp"

    def test_who_may(self, acme: Tenant, anonymous: APIClient) -> None:
        metric = acme.client.post(URL, BODY).json()["id"]
        reader, sender, viewer = acme.with_scopes("read"), acme.with_scopes("ingest"), acme.browser(Role.VIEWER)
        for client in (reader, viewer):
            assert client.get(URL).status_code == 200
            assert client.post(f"{URL}/{metric}/preview").status_code == 200
            assert client.post(URL, BODY).status_code == 403
            assert client.delete(f"{URL}/{metric}").status_code == 403
        assert sender.get(URL).status_code == 403
        assert acme.browser(Role.MEMBER).post(URL, BODY).status_code == 201
        for answer in (
            anonymous.get(URL),
            anonymous.post(URL, BODY),
            anonymous.delete(f"{URL}/{metric}"),
            anonymous.post(f"{URL}/{metric}/preview"),
        ):
            assert answer.status_code == 401
