import json
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

from optimizations.models import Optimization
from optimizations.services.snapshots import store
from optimizations.states import Status
from tests.conftest import Tenant
from tests.serving import BEST_VARIANT, NAMES, delete_model, factor, make_optimization, move, publish_version, serve_url

BODY = {"anonymous_id": "user-abc", "props": NAMES}


def post(client: Client, body: Any = BODY, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body)
    answer = client.post(BEST_VARIANT, raw, content_type="application/json", headers=headers)
    assert isinstance(answer, HttpResponse)
    return answer


def matched(answer: HttpResponse) -> str:
    assert answer.status_code == 200, answer.content
    return str(json.loads(answer.content)["optimization_id"])


def refused(answer: HttpResponse, status: int, code: str) -> dict[str, Any]:
    body = json.loads(answer.content)
    assert (answer.status_code, body["error"]["code"]) == (status, code)
    assert body["meta"]["request_id"] == answer["X-Request-ID"]
    assert answer["Access-Control-Allow-Origin"] == "*"
    error: dict[str, Any] = body["error"]
    return error


@pytest.fixture
def ours(acme: Tenant, globex: Tenant) -> Optimization:
    return make_optimization(acme.organization)


class TestMatching:
    @pytest.mark.parametrize("props", [NAMES, NAMES[::-1], NAMES * 2])
    def test_the_same_set_of_names(self, client: Client, ours: Optimization, props: list[str]) -> None:
        assert matched(post(client, BODY | {"props": props})) == str(ours.pk)

    @pytest.mark.parametrize(
        "props",
        [["headline"], [*NAMES, "color"], ["Headline", "cta_text"], ["device"], ["x" * 1000], [""], ["a"] * 5000],
    )
    def test_no_match(self, client: Client, ours: Optimization, props: list[str]) -> None:
        refused(post(client, BODY | {"props": props}), 404, "not_found")

    def test_the_newest_of_one_organization(self, client: Client, acme: Tenant, ours: Optimization) -> None:
        newer = make_optimization(acme.organization)
        make_optimization(acme.organization, design=[factor("other", ["a", "b"])])
        assert matched(post(client)) == str(newer.pk)
        move(newer, Status.COMPLETED)
        store.refresh()
        assert matched(post(client)) == str(ours.pk)
        move(ours, Status.ARCHIVED)
        store.refresh()
        refused(post(client), 404, "not_found")

    def test_it_answers_as_serve_does(self, client: Client, ours: Optimization) -> None:
        publish_version(ours, best=3, exposures=60)
        context = {"device": "desktop"}
        for n in range(30):
            body = {"anonymous_id": f"u{n}", "context": context}
            direct = client.post(serve_url(ours), json.dumps(body | {"n_variants": 3}), content_type="application/json")
            found = post(client, body | {"props": NAMES, "control": {"n_variants": 3}})
            without_id = [json.loads(a.content) | {"meta": None} for a in (direct, found)]
            assert without_id[0] == without_id[1]

    def test_a_deleted_model(self, client: Client, ours: Optimization) -> None:
        delete_model(ours)
        refused(post(client), 409, "model_unavailable")


class TestOrganizations:
    def test_several_are_ambiguous_without_a_key(
        self, client: Client, acme: Tenant, globex: Tenant, ours: Optimization
    ) -> None:
        theirs = make_optimization(globex.organization)
        refused(post(client), 409, "ambiguous_match")
        for organization, optimization in ((acme.organization, ours), (globex.organization, theirs)):
            key = organization.publishable_key
            for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}):
                answer = post(client, **headers)
                assert matched(answer) == str(optimization.pk)
                assert json.loads(answer.content)["meta"]["organization_id"] == organization.public_id

    def test_a_key_never_reaches_another_organization(self, client: Client, globex: Tenant, ours: Optimization) -> None:
        refused(post(client, **{"x-api-key": globex.organization.publishable_key}), 404, "not_found")

    @pytest.mark.parametrize("key", ["pk_unknown", "pk_", "pk_" + "x" * 5000])
    def test_an_unknown_key(self, client: Client, ours: Optimization, key: str) -> None:
        answer = post(client, authorization=f"Bearer {key}")
        refused(answer, 401, "unauthenticated")
        assert answer["WWW-Authenticate"] == "Bearer"

    def test_other_credentials_are_not_needed(self, client: Client, acme: Tenant, ours: Optimization) -> None:
        for headers in (
            {"authorization": f"Bearer {acme.secret}"},
            {"x-api-key": "anything"},
            {"authorization": "Basic x"},
        ):
            assert matched(post(client, **headers)) == str(ours.pk)


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"props": NAMES}, "anonymous_id"),
            ({"anonymous_id": "u"}, "props"),
            ({"anonymous_id": "u", "props": []}, "props"),
            ({"anonymous_id": "u", "props": "headline"}, "props"),
            ({"anonymous_id": "u", "props": ["headline", 1]}, "props[1]"),
            ({"anonymous_id": "u", "props": None}, "props"),
            (BODY | {"context": 1}, "context"),
            (BODY | {"control": {"n_variants": 0}}, "control.n_variants"),
            (BODY | {"control": {"n_variants": "1"}}, "control.n_variants"),
            (BODY | {"control": [1]}, "control"),
        ],
    )
    def test_wrong_fields_are_named(self, client: Client, ours: Optimization, body: Any, field: str) -> None:
        error = refused(post(client, body), 400, "invalid_request")
        assert [d["field"] for d in error["details"]] == [field]

    @pytest.mark.parametrize(
        "body", [b"", b"{", b"[]", b'{"anonymous_id": "u", "props": ["a"], "context": {"x": NaN}}']
    )
    def test_what_is_not_a_json_object(self, client: Client, ours: Optimization, body: bytes) -> None:
        refused(post(client, body), 400, "invalid_request")

    def test_optional_fields_may_be_null(self, client: Client, ours: Optimization) -> None:
        assert matched(post(client, BODY | {"context": None, "control": None, "later": 1})) == str(ours.pk)

    def test_six_megabytes(self, client: Client, ours: Optimization) -> None:
        refused(post(client, BODY | {"padding": "x" * 6_000_000}), 413, "payload_too_large")

    def test_other_methods(self, client: Client, db: None) -> None:
        refused_get = client.get(BEST_VARIANT, headers={"origin": "https://shop.example"})
        assert (refused_get.status_code, refused_get.json()["error"]["code"]) == (405, "method_not_allowed")

    def test_the_url_map_names_the_view(self) -> None:
        assert reverse("best-variant") == BEST_VARIANT


def test_both_operations_are_in_the_schema() -> None:
    schema = SchemaGenerator().get_schema(request=None, public=True)
    for path, statuses in (
        ("/api/v2/optimizations/best-variant", {"200", "400", "401", "404", "405", "409", "413", "429", "500", "503"}),
        (
            "/api/v2/optimizations/{optimization_id}/serve",
            {"200", "400", "404", "405", "409", "413", "429", "500", "503"},
        ),
    ):
        operation = schema["paths"][path]["post"]
        assert set(operation["responses"]) == statuses
        assert operation["security"] == [{}]
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        assert "anonymous_id" in schema["components"]["schemas"][reference.rsplit("/", 1)[1]]["required"]
