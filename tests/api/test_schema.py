"""The OpenAPI schema is valid, complete and needs no other host."""

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from tests.api.test_error_shape import api_routes


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    import yaml

    out = StringIO()
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=out)
    document: dict[str, Any] = yaml.safe_load(out.getvalue())
    return document


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, o) for path, methods in schema["paths"].items() for method, o in methods.items()]


def test_every_route_is_described(schema: dict[str, Any]) -> None:
    described = {re.sub(r"\{[^}]+\}", "*", path) for path in schema["paths"]}
    uuid = "00000000-0000-4000-8000-000000000000"
    routes = {path.replace(uuid, "*") for path, name in api_routes() if name not in {"schema", "docs"}}
    assert routes == described


def test_operations_have_names_words_and_answers(schema: dict[str, Any]) -> None:
    found = operations(schema)
    names = [o["operationId"] for _, _, o in found]
    assert len(set(names)) == len(names)
    for path, method, operation in found:
        where = f"{method} {path}"
        assert operation["tags"], where
        assert operation["summary"], where
        assert operation["description"], where
        assert any(status.startswith("2") for status in operation["responses"]), where
        assert {"429", "500", "503"} <= set(operation["responses"]), where
        assert all(answer["description"] for answer in operation["responses"].values()), where
        assert operation["security"], where
        public = path.endswith(("/serve", "/best-variant"))
        assert ("401" in operation["responses"]) or public, where
        if method in {"post", "patch"} and "requestBody" in operation:
            assert {"400", "413"} <= set(operation["responses"]), where


def test_every_answer_has_its_meta_and_every_error_its_shape(schema: dict[str, Any]) -> None:
    for path, method, operation in operations(schema):
        for status, response in operation["responses"].items():
            if status == "204":
                continue
            if status == "200" and path.endswith(".csv"):
                assert set(response["content"]) == {"text/csv"}
                continue
            body = str(response["content"]["application/json"]["schema"])
            assert "ErrorBody" in body if status >= "4" else "meta" in body or "ref" in body, (
                f"{method} {path} {status}"
            )


@pytest.mark.django_db
def test_swagger_works_offline(anonymous: APIClient) -> None:
    page = anonymous.get("/api/v2/docs").content.decode()
    script = anonymous.get("/api/v2/docs?script=").content.decode()
    assert "swagger-ui" in page
    assert "/api/v2/schema" in script
    for text in (page, script):
        assert not re.findall(r"(?:src|href)=[\"']https?://", text)
        assert "cdn" not in text.lower()
    assert anonymous.get("/api/v2/schema").status_code == 200
