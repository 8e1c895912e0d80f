"""The public documentation, request by request: the application answers them in the shape that is documented, and the
OpenAPI schema's examples say the same. `documented.json` holds the documentation's own requests and answers."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from django.core.management import call_command
from django.utils import timezone

from levered_site.organizations.models import Organization
from tests.conftest import Tenant
from tests.factories import METRIC_SQL, add_exposures, make_metric, make_optimization

DOCUMENTED: list[dict[str, Any]] = json.loads((Path(__file__).parent / "documented.json").read_text())
PLACEHOLDERS = {"metric-uuid", "source-uuid"}
NOWHERE = "00000000-0000-4000-8000-000000000000"
ids = [f"{d['method']} {d['path']} {d['status']}" for d in DOCUMENTED]
every_document = pytest.mark.parametrize("document", DOCUMENTED, ids=ids)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("schema") / "schema.json"
    call_command("spectacular", format="openapi-json", file=str(file))
    document: dict[str, Any] = json.loads(file.read_text())
    return document


def operations(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {o["operationId"]: o for path in schema["paths"].values() for o in path.values()}


def conforms(value: Any, to: dict[str, Any], schema: dict[str, Any]) -> None:
    """Raises unless the value is what the schema says; OpenAPI 3.0 writes null in its own way."""
    whole = _nullable({"allOf": [to], "components": schema["components"]})
    jsonschema.Draft4Validator(whole, format_checker=jsonschema.FormatChecker(["uuid", "email"])).validate(value)


def _nullable(node: Any) -> Any:
    if isinstance(node, list):
        return [_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _nullable(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


def lacks(shown: Any, documented: Any, *, values: bool, where: str = "") -> list[str]:
    """What is documented and not shown: a field, its type, and with `values` its value."""
    if isinstance(documented, dict):
        if not isinstance(shown, dict):
            return [f"{where}: {shown!r} is no object"]
        missing = [f"{where}.{key}" for key in documented if key not in shown]
        both = [key for key in documented if key in shown]
        return missing + [x for k in both for x in lacks(shown[k], documented[k], values=values, where=f"{where}.{k}")]
    if isinstance(documented, list):
        if not isinstance(shown, list):
            return [f"{where}: {shown!r} is no array"]
        if values:
            pairs = list(zip(shown, documented, strict=False))
            return [f"{where}: too few"] * (len(shown) < len(documented)) + [
                x for i, (s, d) in enumerate(pairs) for x in lacks(s, d, values=True, where=f"{where}[{i}]")
            ]
        first = documented[0] if documented else None
        return [x for s in shown for x in lacks(s, first, values=False, where=f"{where}[]")] if first else []
    if values:
        return [] if shown == documented or documented in PLACEHOLDERS else [f"{where}: {shown!r} != {documented!r}"]
    kinds: Any = (int, float) if isinstance(documented, int | float) and not isinstance(documented, bool) else None
    kind = kinds or (type(documented), str) if documented is None else kinds or type(documented)
    return [] if isinstance(shown, kind) else [f"{where}: {shown!r} is not like {documented!r}"]


@every_document
def test_the_schema_shows_it_as_its_example(schema: dict[str, Any], document: dict[str, Any]) -> None:
    operation = operations(schema)[document["operation"]]
    if "request" in document:
        example = operation["requestBody"]["content"]["application/json"]["example"]
        assert lacks(example, document["request"], values=True) == []
    answer = operation["responses"][str(document["status"])]
    if "response" in document:
        example = answer["content"]["application/json"]["example"]
        assert lacks(example, document["response"], values=True) == []
    else:
        assert document["status"] == 204 or "example" in answer["content"]["application/json"]


def test_every_example_is_valid(schema: dict[str, Any]) -> None:
    seen = 0
    for name, operation in operations(schema).items():
        media = {"request": operation.get("requestBody", {})} | operation["responses"]
        for where, holder in media.items():
            content = holder.get("content", {}).get("application/json", {})
            if "example" in content:
                seen += 1
                try:
                    conforms(content["example"], content["schema"], schema)
                except jsonschema.ValidationError as error:
                    pytest.fail(f"{name} {where}: {error.message} at {error.json_path}")
    assert seen > 200


def test_the_checker_sees_what_is_wrong(schema: dict[str, Any]) -> None:
    media = operations(schema)["serve"]["responses"]["200"]["content"]["application/json"]
    for change in ({"ready": "yes"}, {"optimization_id": "x"}, {"variants": [{}]}, {"model_type": None}):
        with pytest.raises(jsonschema.ValidationError):
            conforms(media["example"] | change, media["schema"], schema)
    assert lacks({"a": 1}, {"a": "x", "b": 2}, values=False) == [".b", ".a: 1 is not like 'x'"]


@pytest.fixture
def world(acme: Tenant) -> dict[str, str]:
    """What the documented requests name: a live, trained optimization, its metric and source."""
    optimization = make_optimization(acme.organization, name="Landing Page Hero")
    model = optimization.models.get()
    add_exposures(optimization, 60, conversions=20, at=timezone.now() - dt.timedelta(days=2), prefix="u")
    assert acme.client.post(f"/api/v2/models/{model.pk}/train", {}).status_code == 200
    return {
        "optimization_id": str(optimization.pk),
        "model_id": str(model.pk),
        "metric_id": str(make_metric(acme.organization, name="unused").pk),
        "reward_metric_id": str(optimization.reward_metric_id),
        "unknown": NOWHERE,
    }


@pytest.mark.django_db
@every_document
def test_the_application_answers_it(acme: Tenant, world: dict[str, str], document: dict[str, Any]) -> None:
    path = document["path"]
    for name, value in world.items():
        path = path.replace(f":{name}", value)
    answer = getattr(acme.client, document["method"].lower())(path, adapted(document, acme.organization, world))
    assert answer.status_code == document["status"], answer.content
    if "response" in document:
        missing = lacks(answer.json(), document["response"], values=False)
        columns = {".rows[].headline", ".rows[].cta_text"}  # of the documented SELECT
        assert [m for m in missing if m not in columns] == []
    elif document["status"] != 204:
        assert answer.json()["meta"]["request_id"].startswith("req_")


def adapted(document: dict[str, Any], organization: Organization, world: dict[str, str]) -> Any:
    """The documented body, naming what exists here: this organization's metric, optimization and tables."""
    body = json.loads(json.dumps(document.get("request")))
    match document["operation"]:
        case "create_an_optimization":
            body["reward_metric_id"] = world["reward_metric_id"]
        case "create_a_metric":  # the managed warehouse has no table of this name
            body["sql"] = METRIC_SQL
        case "create_or_replace_the_assignment_source":  # … and holds variants as JSON
            body["sql"] = "SELECT anonymous_id, timestamp, variant FROM exposures"
        case "send_exposures" | "send_rewards":
            event = body["events"][0]
            event["timestamp"] = timezone.now().isoformat()  # the documented one may lie ahead
            if "optimization_id" in event:
                event["optimization_id"] = str(like_the_documented(organization))
    return body


def like_the_documented(organization: Organization) -> Any:
    design = [{"name": "cta", "levels": ["a", "sign_up_now"]}, {"name": "hero", "levels": ["b", "shield"]}]
    context = [{"name": "country", "levels": ["US", "DE"]}, {"name": "device", "levels": ["mobile", "desktop"]}]
    config = {"design_factors": design, "context_factors": context}
    return make_optimization(organization, name="Ingesting", training_data_config=config).pk
