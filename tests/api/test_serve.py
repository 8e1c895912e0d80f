import json
import logging
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpResponse
from django.test import Client
from django.urls import resolve, reverse

from bandits.assignment import holdout_limit, in_holdout, slot_of
from optimizations.models import Optimization
from optimizations.services.snapshots import store
from optimizations.states import Status
from tests.conftest import Tenant
from tests.serving import (
    CALLS,
    HEADLINES,
    delete_model,
    factor,
    make_optimization,
    move,
    publish_version,
    serve_url,
)

MOBILE = {"device": "mobile"}


def post(client: Client, optimization: Optimization | str, body: Any, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    answer = client.post(serve_url(optimization), raw, content_type="application/json", headers=headers)
    assert isinstance(answer, HttpResponse)
    return answer


def served(client: Client, optimization: Optimization, anonymous_id: str, **body: Any) -> dict[str, Any]:
    answer = post(client, optimization, {"anonymous_id": anonymous_id} | body)
    assert answer.status_code == 200, answer.content
    found: dict[str, Any] = json.loads(answer.content)
    return found


def refused(answer: HttpResponse, status: int, code: str) -> dict[str, Any]:
    """Asserts the documented error shape, readable from any origin; returns the error."""
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/json")
    body: dict[str, Any] = json.loads(answer.content)
    assert body["error"]["code"] == code
    assert body["error"]["message"]
    assert body["meta"]["request_id"] == answer["X-Request-ID"]
    assert answer["Access-Control-Allow-Origin"] == "*"
    error: dict[str, Any] = body["error"]
    return error


def held_out(optimization: Optimization, anonymous_id: str) -> bool:
    return in_holdout(str(optimization.pk), anonymous_id, holdout_limit(optimization.holdout_percentage))


def a_user(optimization: Optimization, *, holdout: bool = False) -> str:
    return next(f"user-{n}" for n in range(10_000) if held_out(optimization, f"user-{n}") == holdout)


@pytest.fixture
def theirs(globex: Tenant) -> Optimization:
    """Another organization's optimization of the same design, trained to another winner."""
    optimization = make_optimization(globex.organization)
    publish_version(optimization, best=1, exposures=5000)
    return optimization


@pytest.fixture
def ours(acme: Tenant, theirs: Optimization) -> Optimization:
    return make_optimization(acme.organization)


class TestAnswer:
    def test_the_documented_fields(self, client: Client, acme: Tenant, ours: Optimization) -> None:
        publish_version(ours, best=3)
        user = a_user(ours)
        answer = post(client, ours, {"anonymous_id": user, "context": MOBILE, "n_variants": 1})
        body = json.loads(answer.content)
        assert answer["Content-Type"] == "application/json"
        assert int(answer["Content-Length"]) == len(answer.content)
        assert body["optimization_id"] == str(ours.pk)
        assert (body["model_type"], body["ready"], body["model_version"]) == ("cmab", True, 1)
        assert body["meta"] == {
            "request_id": answer["X-Request-ID"],
            "organization_id": acme.organization.public_id,
        }
        assert body["meta"]["request_id"].startswith("req_")
        assert len(body["meta"]["request_id"]) >= 24
        [variant] = body["variants"]
        assert set(variant) == {"props", "expected_reward", "variant_number", "propensity"}
        assert set(variant["props"]) == {"headline", "cta_text"}

    def test_the_winner_of_the_slot_with_its_exact_propensity(self, client: Client, ours: Optimization) -> None:
        publish_version(ours, best=3, exposures=100)
        user = a_user(ours)
        [variant] = served(client, ours, user, context=MOBILE)["variants"]
        policy = store.find(str(ours.pk)).policy  # type: ignore[union-attr]
        number = int(policy.winners((0,))[slot_of(str(ours.pk), user, policy.slots)])
        assert variant["variant_number"] == number + 1
        assert variant["props"] == {"headline": HEADLINES[number // 2], "cta_text": CALLS[number % 2]}
        holdout = 0.1 if number == 0 else 0.0
        assert variant["propensity"] == pytest.approx(policy.shares((0,))[number] * 0.9 + holdout, abs=1e-12)
        assert variant["expected_reward"] == pytest.approx(policy.expected_reward((0,))[number], abs=1e-12)

    def test_propensities_are_the_served_shares(self, client: Client, ours: Optimization) -> None:
        publish_version(ours, best=3, exposures=15)
        counts: Counter[int] = Counter()
        told: dict[int, float] = {}
        for n in range(4000):
            [variant] = served(client, ours, f"visitor-{n}", context=MOBILE)["variants"]
            counts[variant["variant_number"]] += 1
            told[variant["variant_number"]] = variant["propensity"]
        assert sum(told.values()) == pytest.approx(1.0, abs=0.01)
        for number, propensity in told.items():
            deviation = (propensity * (1 - propensity) / 4000) ** 0.5
            assert counts[number] / 4000 == pytest.approx(propensity, abs=4.5 * deviation)

    def test_the_same_user_gets_the_same_answer(self, client: Client, ours: Optimization) -> None:
        publish_version(ours, exposures=30)
        first = [served(client, ours, f"u{n}", context=MOBILE)["variants"] for n in range(50)]
        store.stop()  # a fresh process
        assert [served(client, ours, f"u{n}", context=MOBILE)["variants"] for n in range(50)] == first

    def test_contexts_differ_where_the_model_says_so(self, client: Client, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization, holdout=0)
        publish_version(optimization, best=2)
        rewards = {
            served(client, optimization, "u", context=context)["variants"][0]["expected_reward"]
            for context in (MOBILE, {"device": "desktop"}, {})
        }
        assert len(rewards) == 3

    @pytest.mark.parametrize(
        "context", [None, {}, {"device": "watch"}, {"device": ["mobile"]}, {"device": True}, {"browser": "x"}]
    )
    def test_unknown_contexts_are_the_average(self, client: Client, ours: Optimization, context: Any) -> None:
        publish_version(ours)
        average = store_codes_answer(client, ours)
        assert served(client, ours, a_user(ours), context=context)["variants"] == average

    def test_a_mab_knows_no_contexts(self, client: Client, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization, model_type="mab")
        publish_version(optimization)
        user = a_user(optimization)
        mobile, desktop = (served(client, optimization, user, context={"device": d}) for d in ("mobile", "desktop"))
        assert mobile["variants"] == desktop["variants"]
        assert mobile["model_type"] == "mab"

    def test_levels_keep_their_types(self, client: Client, acme: Tenant) -> None:
        design = [
            factor("big", [False, True], "bool"),
            factor("columns", [2, 3], "int"),
            factor("ratio", [0.5, 1.25], "float"),
        ]
        optimization = make_optimization(acme.organization, design=design, holdout=0)
        [variant] = served(client, optimization, "u")["variants"]
        assert [type(variant["props"][name]) for name in ("big", "columns", "ratio")] == [bool, int, float]

    def test_dry_run_and_unknown_fields_change_nothing(self, client: Client, ours: Optimization) -> None:
        plain = served(client, ours, "u")["variants"]
        assert served(client, ours, "u", dry_run=True, sdk="1.2", nested={"a": [1]})["variants"] == plain

    @pytest.mark.parametrize(
        "content_type", ["text/plain;charset=UTF-8", "application/octet-stream", "application/json"]
    )
    def test_any_content_type_that_is_json(self, client: Client, ours: Optimization, content_type: str) -> None:
        answer = client.post(serve_url(ours), b'{"anonymous_id": "u"}', content_type=content_type)
        assert answer.status_code == 200

    def test_ids_of_any_script(self, client: Client, ours: Optimization) -> None:
        assert served(client, ours, "ünïcødé-用户-\u0000-🙂")["variants"]


def store_codes_answer(client: Client, optimization: Optimization) -> Any:
    """What is served without any context."""
    return served(client, optimization, a_user(optimization))["variants"]


class TestRanking:
    def test_the_best_first_and_no_more_than_there_are(self, client: Client, ours: Optimization) -> None:
        publish_version(ours, best=3, exposures=50)
        user = a_user(ours)
        [first] = served(client, ours, user, context=MOBILE)["variants"]
        three = served(client, ours, user, context=MOBILE, n_variants=3)["variants"]
        everything = served(client, ours, user, context=MOBILE, n_variants=100)["variants"]
        assert three[0] == first
        assert three == everything[:3]
        assert sorted(v["variant_number"] for v in everything) == [1, 2, 3, 4, 5, 6]

    def test_excluded_combinations_are_never_served(self, client: Client, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization, excluded=[{"headline": "Save time"}])
        publish_version(optimization, best=2)
        everything = served(client, optimization, a_user(optimization), n_variants=100)["variants"]
        assert sorted(v["variant_number"] for v in everything) == [1, 2, 5, 6]


class TestUntrained:
    def test_uniform_and_not_ready(self, client: Client, ours: Optimization) -> None:
        answers = [served(client, ours, f"u{n}") for n in range(1500)]
        assert {(a["ready"], a["model_version"]) for a in answers} == {(False, 0)}
        assert {v["expected_reward"] for a in answers for v in a["variants"]} == {0.0}
        drawn = Counter(a["variants"][0]["variant_number"] for a in answers if a["model_type"] == "cmab")
        assert set(drawn) == {1, 2, 3, 4, 5, 6}
        assert min(drawn.values()) / sum(drawn.values()) > 1 / 6 - 0.05
        told = {a["variants"][0]["variant_number"]: a["variants"][0]["propensity"] for a in answers}
        assert sum(told.values()) == pytest.approx(1.0, abs=1e-9)
        assert told[1] == pytest.approx(0.9 / 6 + 0.1, abs=1e-3)


class TestHoldout:
    def test_the_baseline_as_the_only_variant(self, client: Client, ours: Optimization) -> None:
        publish_version(ours, best=3)
        answer = served(client, ours, a_user(ours, holdout=True), context=MOBILE, n_variants=5)
        assert (answer["model_type"], answer["ready"]) == ("holdout", True)
        [variant] = answer["variants"]
        assert variant["variant_number"] == 1
        assert variant["props"] == {"headline": HEADLINES[0], "cta_text": CALLS[0]}
        policy = store.find(str(ours.pk)).policy  # type: ignore[union-attr]
        assert variant["propensity"] == pytest.approx(policy.shares((0,))[0] * 0.9 + 0.1, abs=1e-12)

    def test_who_is_held_out_is_in_the_hash_alone(self, client: Client, ours: Optimization) -> None:
        users = [f"u{n}" for n in range(600)]
        expected = [u for u in users if held_out(ours, u)]
        assert 30 < len(expected) < 95
        for best in (None, 3, 4):  # untrained, then two versions
            if best:
                publish_version(ours, best=best)
                store.refresh()
            assert [u for u in users if served(client, ours, u)["model_type"] == "holdout"] == expected

    def test_nobody_without_a_holdout(self, client: Client, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization, holdout=0)
        assert {served(client, optimization, f"u{n}")["model_type"] for n in range(200)} == {"cmab"}


class TestLifecycle:
    def test_completed_serves_everyone_the_winner(self, client: Client, ours: Optimization) -> None:
        publish_version(ours, best=3, exposures=200)
        move(ours, Status.COMPLETED)
        store.refresh()
        answers = [served(client, ours, f"u{n}", context=MOBILE) for n in range(200)]
        assert {a["model_type"] for a in answers} == {"cmab"}
        assert {(a["variants"][0]["variant_number"], a["variants"][0]["propensity"]) for a in answers} == {(4, 1.0)}

    def test_completed_without_training_serves_the_baseline(self, client: Client, ours: Optimization) -> None:
        move(ours, Status.COMPLETED)
        answers = [served(client, ours, f"u{n}") for n in range(100)]
        assert {(a["variants"][0]["variant_number"], a["variants"][0]["propensity"]) for a in answers} == {(1, 1.0)}
        assert not answers[0]["ready"]

    def test_archived_is_not_found(self, client: Client, ours: Optimization) -> None:
        served(client, ours, "u")
        move(ours, Status.ARCHIVED)
        store.refresh()
        refused(post(client, ours, {"anonymous_id": "u"}), 404, "not_found")

    def test_a_deleted_model_is_a_conflict_until_there_is_a_new_one(self, client: Client, ours: Optimization) -> None:
        publish_version(ours)
        delete_model(ours)
        refused(post(client, ours, {"anonymous_id": "u"}), 409, "model_unavailable")
        from optimizations.models import BanditModel
        from optimizations.services.publication import publish

        BanditModel.objects.create(organization=ours.organization, optimization=ours, updated_at=ours.updated_at)
        publish(ours)
        store.refresh()
        answer = served(client, ours, "u")
        assert (answer["ready"], answer["model_version"]) == (False, 0)


class TestRefusals:
    @pytest.mark.parametrize("unknown", [str(uuid.uuid4()), "nothing", "%00", "a" * 500, "{" + str(uuid.uuid4()) + "}"])
    def test_unknown_optimizations(self, client: Client, ours: Optimization, unknown: str) -> None:
        refused(post(client, unknown, {"anonymous_id": "u"}), 404, "not_found")

    def test_an_id_in_capitals_is_the_same_id(self, client: Client, ours: Optimization) -> None:
        lower = served(client, ours, "u")
        upper = json.loads(post(client, str(ours.pk).upper(), {"anonymous_id": "u"}).content)
        assert upper["variants"] == lower["variants"]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "anonymous_id"),
            ({"anonymous_id": ""}, "anonymous_id"),
            ({"anonymous_id": "x" * 513}, "anonymous_id"),
            ({"anonymous_id": 7}, "anonymous_id"),
            ({"anonymous_id": None}, "anonymous_id"),
            ({"anonymousId": "misspelt"}, "anonymous_id"),
            ({"anonymous_id": "u", "context": "mobile"}, "context"),
            ({"anonymous_id": "u", "context": ["mobile"]}, "context"),
            ({"anonymous_id": "u", "n_variants": 0}, "n_variants"),
            ({"anonymous_id": "u", "n_variants": 101}, "n_variants"),
            ({"anonymous_id": "u", "n_variants": 1.5}, "n_variants"),
            ({"anonymous_id": "u", "n_variants": "2"}, "n_variants"),
            ({"anonymous_id": "u", "n_variants": True}, "n_variants"),
            ({"anonymous_id": "u", "dry_run": "yes"}, "dry_run"),
        ],
    )
    def test_wrong_fields_are_named(self, client: Client, ours: Optimization, body: Any, field: str) -> None:
        error = refused(post(client, ours, body), 400, "invalid_request")
        assert [d["field"] for d in error["details"]] == [field]
        assert all(d["message"] for d in error["details"])

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"anonymous_id=u",
            b'{"anonymous_id": "u"',
            b'{"anonymous_id": "u", "context": {"age": NaN}}',
            b'{"anonymous_id": "u", "context": {"age": Infinity}}',
            b'{"anonymous_id": "u", "context": {"age": 1e999}}',
            b'{"anonymous_id": "\xff"}',
            b'{"anonymous_id": "\\ud800"}',
            b"[]",
            b"null",
            b'"u"',
            b'{"anonymous_id": "u", "extra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
            b"\x00" * 100,
        ],
        ids=lambda raw: raw[:45].decode(errors="replace"),
    )
    def test_what_is_not_a_json_object(self, client: Client, ours: Optimization, raw: bytes) -> None:
        refused(post(client, ours, raw), 400, "invalid_request")

    @pytest.mark.parametrize("path", ["", "/more", "/"])
    def test_what_is_not_quite_the_path(self, ours: Optimization, path: str) -> None:
        url = serve_url(ours) + path if path else "/api/v2/optimizations/a/b/serve"
        answer = Client(enforce_csrf_checks=True).post(url, b"{}", content_type="application/json")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")

    def test_six_megabytes(self, client: Client, ours: Optimization) -> None:
        body = json.dumps({"anonymous_id": "u", "context": {"x": "y" * 6 * 1024 * 1024}})
        refused(post(client, ours, body), 413, "payload_too_large")

    @pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head"])
    def test_other_methods(self, client: Client, ours: Optimization, method: str) -> None:
        answer = getattr(client, method)(serve_url(ours), headers={"origin": "https://shop.example"})
        assert answer.status_code == 405
        assert answer["Allow"] == "POST, OPTIONS"
        assert answer["Access-Control-Allow-Origin"] == "*"
        if method != "head":
            assert answer.json()["error"]["code"] == "method_not_allowed"

    def test_a_crash_is_a_documented_500(
        self, ours: Optimization, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def crash(*args: Any, **kwargs: Any) -> bytes:
            raise RuntimeError("secret detail")

        monkeypatch.setattr("optimizations.api.serve.answer", crash)
        answer = post(Client(raise_request_exception=False), ours, {"anonymous_id": "u"})
        refused(answer, 500, "internal")
        assert b"secret detail" not in answer.content
        assert any(answer["X-Request-ID"] in record.getMessage() for record in caplog.records)


class TestLimit:
    def test_both_paths_share_300_a_minute_per_client(
        self, client: Client, ours: Optimization, settings: LazySettings
    ) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"serve": "3/m"}
        body = json.dumps({"anonymous_id": "u"})
        wrong = {"data": b"{", "content_type": "application/json"}
        assert post(client, ours, body).status_code == 200
        assert client.post("/api/v2/optimizations/best-variant", **wrong).status_code == 400
        assert post(client, ours, body).status_code == 200
        answer = post(client, ours, body)
        refused(answer, 429, "rate_limited")
        assert 1 <= int(answer["Retry-After"]) <= 60
        other = Client(REMOTE_ADDR="203.0.113.9")
        assert post(other, ours, body).status_code == 200

    def test_a_forged_header_changes_nothing(self, client: Client, ours: Optimization, settings: LazySettings) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"serve": "2/m"}
        answers = [
            post(client, ours, {"anonymous_id": "u"}, **{"X-Forwarded-For": f"198.51.100.{n}"}) for n in range(3)
        ]
        assert [a.status_code for a in answers] == [200, 200, 429]

    def test_preflights_are_not_counted(self, client: Client, ours: Optimization, settings: LazySettings) -> None:
        settings.RATE_LIMITS = settings.RATE_LIMITS | {"serve": "1/m"}
        for _ in range(3):
            assert client.options(serve_url(ours)).status_code == 204
        assert post(client, ours, {"anonymous_id": "u"}).status_code == 200


class TestOrigins:
    PREFLIGHT = {
        "origin": "https://shop.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,authorization",
    }

    def test_a_preflight(self, client: Client, ours: Optimization) -> None:
        answer = client.options(serve_url(ours), headers=self.PREFLIGHT)
        assert answer.status_code == 200
        assert answer["access-control-allow-origin"] == "*"
        assert "POST" in answer["access-control-allow-methods"]
        assert {"content-type", "authorization", "x-api-key"} <= set(answer["access-control-allow-headers"].split(", "))
        assert int(answer["access-control-max-age"]) >= 3600
        assert "access-control-allow-credentials" not in answer

    def test_an_answer(self, client: Client, ours: Optimization) -> None:
        answer = post(client, ours, {"anonymous_id": "u"}, origin="https://shop.example")
        assert answer["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer
        assert "Set-Cookie" not in answer
        assert not answer.cookies

    @pytest.mark.parametrize(
        "path", ["/api/v2/me", "/api/v2/optimizations", "/healthz", "/admin/login/", "/api/v2/schema"]
    )
    def test_nothing_else_does(self, client: Client, acme: Tenant, path: str) -> None:
        for answer in (client.get(path, headers=self.PREFLIGHT), client.options(path, headers=self.PREFLIGHT)):
            assert not [name for name in answer.headers if name.lower().startswith("access-control")]


class TestCost:
    def test_no_query_and_no_cache(
        self,
        client: Client,
        ours: Optimization,
        django_assert_num_queries: Callable[[int], Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        publish_version(ours)
        served(client, ours, "first")  # the miss that loads the snapshot
        used: list[str] = []
        for name in ("add", "get", "set", "incr", "touch", "delete", "has_key"):
            original = getattr(LocMemCache, name)

            def spy(self: Any, *args: Any, _name: str = name, _original: Any = original, **kwargs: Any) -> Any:
                used.append(_name)
                return _original(self, *args, **kwargs)

            monkeypatch.setattr(LocMemCache, name, spy)
        with django_assert_num_queries(0):
            served(client, ours, "u", context=MOBILE)
            served(client, ours, "u", context={"device": "desktop"}, n_variants=4)
            served(client, ours, a_user(ours, holdout=True))
        assert used == []

    def test_a_successful_request_writes_no_line_but_at_debug(
        self, client: Client, ours: Optimization, caplog: pytest.LogCaptureFixture
    ) -> None:
        served(client, ours, "u")
        assert [r for r in caplog.records if r.name == "levered.request"] == []
        post(client, ours, b"{")
        assert len([r for r in caplog.records if r.name == "levered.request"]) == 1
        with caplog.at_level(logging.DEBUG, "levered.request"):
            served(client, ours, "u")
        assert len([r for r in caplog.records if r.name == "levered.request"]) == 2


class TestMapping:
    def test_the_url_map_names_the_view(self, ours: Optimization) -> None:
        path = reverse("serve", kwargs={"optimization_id": ours.pk})
        assert path == serve_url(ours)
        assert resolve(path).kwargs == {"optimization_id": str(ours.pk)}

    def test_the_long_way_answers_alike(self, client: Client, ours: Optimization, settings: LazySettings) -> None:
        short = post(client, ours, {"anonymous_id": "u"})
        settings.MIDDLEWARE = [m for m in settings.MIDDLEWARE if m != "optimizations.api.shortcut.ServeMiddleware"]
        long = post(Client(enforce_csrf_checks=True), ours, {"anonymous_id": "u"})
        assert json.loads(short.content)["variants"] == json.loads(long.content)["variants"]
        assert set(short.headers) <= set(long.headers)

    def test_the_wsgi_shortcut_answers_alike(self, client: Client, ours: Optimization) -> None:
        from io import BytesIO

        from django.core.handlers.wsgi import WSGIHandler

        from optimizations.api.shortcut import ServeApplication

        def call(path: str, body: bytes, method: str = "POST") -> tuple[str, dict[str, str], bytes]:
            told: list[Any] = []
            environ = client._base_environ(
                PATH_INFO=path,
                REQUEST_METHOD=method,
                CONTENT_LENGTH=str(len(body)),
                CONTENT_TYPE="application/json",
                **{"wsgi.input": BytesIO(body)},
            )
            chunks = ServeApplication(WSGIHandler())(environ, lambda status, headers: told.extend((status, headers)))
            content = b"".join(chunks)
            return told[0], dict(told[1]), content

        status, headers, content = call(serve_url(ours), b'{"anonymous_id": "u"}')
        direct = post(client, ours, {"anonymous_id": "u"})
        assert status == "200 OK"
        assert set(headers) == set(direct.headers)
        assert json.loads(content)["variants"] == json.loads(direct.content)["variants"]
        assert call(serve_url(ours), b"{")[0] == "400 Bad Request"
        assert call("/healthz", b"", "GET")[::2] == ("200 OK", b'{"status": "ok"}')
        assert call(serve_url(ours) + "/more", b"", "GET")[0] == "404 Not Found"
