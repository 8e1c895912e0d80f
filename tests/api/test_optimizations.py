"""`GET|POST /optimizations`, `GET|PATCH|DELETE /optimizations/:id`."""

import copy
from typing import Any
from uuid import uuid4

import pytest
from rest_framework.test import APIClient

from levered_site.organizations.models import Role
from optimizations.models import Optimization
from tests.conftest import Tenant
from tests.factories import CONFIG, make_metric, make_optimization

URL = "/api/v2/optimizations"
pytestmark = pytest.mark.django_db


def body(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    metric = make_metric(tenant.organization)
    return {
        "name": "Landing Page Hero",
        "training_data_config": copy.deepcopy(CONFIG),
        "reward_metric_id": str(metric.pk),
    } | changes


def fields(answer: Any) -> list[str]:
    assert answer.status_code == 400, answer.json()
    return [d["field"] for d in answer.json()["error"]["details"]]


class TestCreate:
    def test_the_documented_request(self, acme: Tenant, globex: Tenant) -> None:
        answer = acme.client.post(URL, body(acme, model_type="cmab", holdout_percentage=10))
        assert answer.status_code == 201
        made = answer.json()
        assert set(made) == {"id", "model_id", "meta"}
        assert made["meta"]["organization_id"] == acme.organization.public_id
        full = acme.client.get(f"{URL}/{made['id']}").json()
        assert full["status"] == "live"
        assert full["model_status"] == "untrained"
        assert full["summary"] is None
        assert full["training_data_config"] == CONFIG
        assert full["reward_metric"]["name"] == "Signup"
        assert full["assignment_source"]["id"]
        assert full["model"] == {"id": made["model_id"], "status": "untrained", "version": 0, "trained_at": None}

    def test_defaults(self, acme: Tenant) -> None:
        minimal = {"design_factors": [{"name": "cta", "levels": ["a", "b"]}]}
        made = acme.client.post(URL, body(acme, training_data_config=minimal)).json()
        full = acme.client.get(f"{URL}/{made['id']}").json()
        assert full["model_type"] == "cmab"
        assert full["holdout_percentage"] == 10
        assert full["description"] == ""
        assert full["training_data_config"] == {
            "reward": {"name": "reward", "type": "bool"},
            "design_factors": [{"name": "cta", "dtype": "str", "levels": ["a", "b"]}],
            "context_factors": [],
            "attribution": {"type": "last_touch", "conversion_window_hours": 24},
        }

    def test_many_variants_are_warned_of(self, acme: Tenant) -> None:
        levels = [str(i) for i in range(11)]
        config = {"design_factors": [{"name": n, "levels": levels} for n in "ab"]}
        made = acme.client.post(URL, body(acme, training_data_config=config))
        assert made.status_code == 201
        assert "121 variants" in made.json()["warnings"][0]

    @pytest.mark.parametrize(
        ("path", "value", "field"),
        [
            (["name"], "", "name"),
            (["name"], "x" * 256, "name"),
            (["name"], None, "name"),
            (["description"], "x" * 1001, "description"),
            (["model_type"], "ucb", "model_type"),
            (["holdout_percentage"], 51, "holdout_percentage"),
            (["holdout_percentage"], -1, "holdout_percentage"),
            (["holdout_percentage"], "many", "holdout_percentage"),
            (["reward_metric_id"], "not-a-uuid", "reward_metric_id"),
            (["reward_metric_id"], str(uuid4()), "reward_metric_id"),
            (["assignment_source_id"], str(uuid4()), "assignment_source_id"),
            (["holdout_percent"], 10, "holdout_percent"),
            (["training_data_config"], None, "training_data_config"),
            (["training_data_config", "design_factor"], [], "training_data_config.design_factor"),
            (["training_data_config", "design_factors"], [], "training_data_config.design_factors"),
            (["training_data_config", "reward", "type"], "ratio", "training_data_config.reward.type"),
            (["training_data_config", "attribution", "type"], "first_touch", "training_data_config.attribution.type"),
            (
                ["training_data_config", "attribution", "conversion_window_hours"],
                0,
                "training_data_config.attribution.conversion_window_hours",
            ),
            (["training_data_config", "design_factors", 0, "name"], "a b", "training_data_config.design_factors[0].name"),
            (["training_data_config", "design_factors", 0, "name"], "x" * 65, "training_data_config.design_factors[0].name"),
            (["training_data_config", "design_factors", 1, "name"], "headline", "training_data_config.design_factors[1].name"),
            (["training_data_config", "context_factors", 0, "name"], "headline", "training_data_config.context_factors[0].name"),
            (["training_data_config", "design_factors", 0, "dtype"], "date", "training_data_config.design_factors[0].dtype"),
            (["training_data_config", "design_factors", 0, "levels"], ["one"], "training_data_config.design_factors[0].levels"),
            (["training_data_config", "design_factors", 0, "levels"], ["a", "a"], "training_data_config.design_factors[0].levels[1]"),
            (["training_data_config", "design_factors", 0, "levels"], ["a", 1], "training_data_config.design_factors[0].levels[1]"),
            (["training_data_config", "design_factors", 0, "levels"], ["a", None], "training_data_config.design_factors[0].levels[1]"),
            (["excluded_combinations"], [{}], "excluded_combinations[0]"),
            (["excluded_combinations"], [{"colour": "red"}], "excluded_combinations[0].colour"),
            (["excluded_combinations"], [{"headline": "Nope"}], "excluded_combinations[0].headline"),
            (["excluded_combinations"], [{"headline": "Ship faster"}], "excluded_combinations[0]"),
            (["guardrails"], [{"metric_id": str(uuid4()), "direction": "increase", "margin_percent": 5}], "guardrails[0].metric_id"),
            (["guardrails"], [{"metric_id": str(uuid4()), "direction": "up", "margin_percent": 5}], "guardrails[0].direction"),
            (["guardrails"], [{"metric_id": str(uuid4()), "direction": "increase", "margin_percent": 101}], "guardrails[0].margin_percent"),
        ],
    )  # fmt: skip
    def test_what_is_refused(self, acme: Tenant, path: list[Any], value: Any, field: str) -> None:
        request = body(acme)
        place: Any = request
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        answer = acme.client.post(URL, request)
        assert field in fields(answer)
        assert not Optimization.objects.exists()

    def test_two_variants_must_remain(self, acme: Tenant) -> None:
        config = {"design_factors": [{"name": "cta", "levels": ["a", "b"]}]}
        answer = acme.client.post(URL, body(acme, training_data_config=config, excluded_combinations=[{"cta": "b"}]))
        assert fields(answer) == ["excluded_combinations"]

    def test_ten_thousand_servable_variants_are_the_limit(self, acme: Tenant) -> None:
        levels = [str(i) for i in range(22)]
        factors = [{"name": n, "levels": levels} for n in "abc"]
        config = {"design_factors": factors}
        assert fields(acme.client.post(URL, body(acme, training_data_config=config))) == [
            "training_data_config.design_factors"
        ]
        excluded = [{"a": level} for level in levels[2:]]
        made = acme.client.post(URL, body(acme, training_data_config=config, excluded_combinations=excluded))
        assert made.status_code == 201

    def test_levels_keep_their_types(self, acme: Tenant) -> None:
        config = {
            "design_factors": [
                {"name": "b", "dtype": "bool", "levels": [False, True]},
                {"name": "i", "dtype": "int", "levels": [1, 2]},
                {"name": "f", "dtype": "float", "levels": [0.5, 1]},
            ]
        }
        made = acme.client.post(URL, body(acme, training_data_config=config)).json()
        stored = acme.client.get(f"{URL}/{made['id']}").json()["training_data_config"]["design_factors"]
        assert [f["levels"] for f in stored] == [[False, True], [1, 2], [0.5, 1]]

    def test_another_organizations_metric_is_not_ours(self, acme: Tenant, globex: Tenant) -> None:
        request = body(acme, reward_metric_id=str(make_metric(globex.organization).pk))
        assert fields(acme.client.post(URL, request)) == ["reward_metric_id"]

    def test_guardrails_are_attached(self, acme: Tenant) -> None:
        metric = make_metric(acme.organization, name="Refunds")
        guardrail = {"metric_id": str(metric.pk), "direction": "decrease", "margin_percent": 2.5}
        made = acme.client.post(URL, body(acme, guardrails=[guardrail])).json()
        [stored] = acme.client.get(f"{URL}/{made['id']}").json()["guardrails"]
        assert guardrail.items() <= stored.items()

    @pytest.mark.parametrize("raw", ["{", "[]", '"text"', '{"name": NaN}', ""])
    def test_bodies_that_are_no_json_object(self, acme: Tenant, raw: str) -> None:
        answer = acme.client.post(URL, raw, content_type="application/json")
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "invalid_request"

    def test_other_media_types(self, acme: Tenant) -> None:
        answer = acme.client.post(URL, "name=x", content_type="application/x-www-form-urlencoded")
        assert answer.status_code == 415
        assert answer.json()["error"]["code"] == "unsupported_media_type"

    def test_a_body_of_six_megabytes(self, acme: Tenant) -> None:
        answer = acme.client.post(URL, body(acme, description="x" * 6_000_000))
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "payload_too_large"

    def test_who_may(self, acme: Tenant, anonymous: APIClient) -> None:
        request = body(acme)
        assert anonymous.post(URL, request).status_code == 401
        assert acme.with_scopes("read").post(URL, request).status_code == 403
        assert acme.with_scopes("ingest").post(URL, request).status_code == 403
        assert acme.browser(Role.VIEWER).post(URL, request).status_code == 403
        assert acme.browser(Role.MEMBER, csrf=True).post(URL, request).status_code == 403
        assert acme.browser(Role.MEMBER).post(URL, request).status_code == 201


class TestList:
    def test_rows(self, acme: Tenant, globex: Tenant) -> None:
        mine = make_optimization(acme.organization)
        make_optimization(globex.organization, name="Theirs")
        answer = acme.client.get(URL).json()
        [row] = answer["optimizations"]
        assert row["id"] == str(mine.pk)
        assert set(row) == {
            "id", "name", "status", "model_status", "model_id", "created_at", "updated_at", "summary",
        }  # fmt: skip
        assert row["created_at"].endswith("Z")
        assert row["updated_at"].endswith("Z")

    def test_order_limit_and_archived(self, acme: Tenant) -> None:
        first, _, third = (make_optimization(acme.organization, name=n) for n in ("first", "second", "third"))
        acme.client.patch(f"{URL}/{first.pk}", {"name": "first, renamed"})
        acme.client.delete(f"{URL}/{third.pk}")

        def names(query: str) -> list[str]:
            return [o["name"] for o in acme.client.get(URL + query).json()["optimizations"]]

        assert names("") == ["first, renamed", "second"]
        assert names("?order_by=created_at") == ["second", "first, renamed"]
        assert names("?limit=1") == ["first, renamed"]
        assert names("?include_archived=true") == ["third", "first, renamed", "second"]

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=101", "limit=x", "order_by=name", "include_archived=2", "page=1"]
    )
    def test_bad_queries(self, acme: Tenant, query: str) -> None:
        assert fields(acme.client.get(f"{URL}?{query}")) == [query.split("=")[0]]

    def test_queries_do_not_grow_with_rows(self, acme: Tenant, django_assert_num_queries: Any) -> None:
        for i in range(3):
            make_optimization(acme.organization, name=str(i))
        client = acme.client
        client.get(URL)
        with django_assert_num_queries(3):  # the key, the optimizations, their models
            client.get(URL)


class TestUpdate:
    def test_renames_and_describes(self, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        answer = acme.client.patch(f"{URL}/{optimization.pk}", {"name": "New", "description": "Why"}).json()
        assert (answer["name"], answer["description"], answer["status"]) == ("New", "Why", "live")

    @pytest.mark.parametrize(
        ("moves", "last"),
        [
            (["completed"], 200),
            (["archived"], 200),
            (["completed", "archived"], 200),
            (["live"], 200),
            (["completed", "live"], 409),
            (["archived", "live"], 409),
            (["archived", "completed"], 409),
        ],
    )
    def test_the_lifecycle(self, acme: Tenant, moves: list[str], last: int) -> None:
        optimization = make_optimization(acme.organization)
        answers = [acme.client.patch(f"{URL}/{optimization.pk}", {"status": status}) for status in moves]
        assert answers[-1].status_code == last
        if last == 409:
            assert answers[-1].json()["error"]["code"] == "invalid_transition"
        else:
            assert answers[-1].json()["status"] == moves[-1]

    def test_a_refused_move_changes_nothing(self, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        acme.client.patch(f"{URL}/{optimization.pk}", {"status": "archived"})
        answer = acme.client.patch(f"{URL}/{optimization.pk}", {"name": "Zombie", "status": "live"})
        assert answer.status_code == 409
        optimization.refresh_from_db()
        assert optimization.name == "Hero"

    @pytest.mark.parametrize("change", [{"status": "paused"}, {"holdout": 3}, {"name": ""}, {"name": None}])
    def test_bad_changes(self, acme: Tenant, change: dict[str, Any]) -> None:
        optimization = make_optimization(acme.organization)
        assert fields(acme.client.patch(f"{URL}/{optimization.pk}", change)) == list(change)

    def test_delete_archives(self, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        for _ in range(2):
            answer = acme.client.delete(f"{URL}/{optimization.pk}").json()
            assert answer["id"] == str(optimization.pk)
            assert answer["status"] == "archived"
        assert acme.client.get(f"{URL}/{optimization.pk}").status_code == 200


class TestTenants:
    @pytest.mark.parametrize("method", ["get", "patch", "delete"])
    def test_foreign_and_unknown_ids_are_not_found(self, acme: Tenant, globex: Tenant, method: str) -> None:
        theirs = make_optimization(globex.organization)
        for pk in (theirs.pk, uuid4()):
            answer = getattr(acme.client, method)(f"{URL}/{pk}", {} if method == "patch" else None)
            assert answer.status_code == 404
            assert answer.json()["error"] == {"code": "not_found", "message": "Optimization not found"}
        theirs.refresh_from_db()
        assert theirs.status == "live"
