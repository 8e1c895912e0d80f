"""What the generator cannot know, added to the OpenAPI schema: examples, words for every answer, links, waiting times.

The examples are those of the public documentation, with the fields that have been added since.
"""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

_EXAMPLES = Path(__file__).with_name("examples.json")  # per operation: `request`, and an answer per status
_ERRORS = {
    "400": ("invalid_request", "name: This field is required."),
    "401": ("unauthenticated", "The token is invalid, expired or revoked."),
    "403": ("forbidden", "This needs the 'manage' scope, which your credential does not have."),
    "404": ("not_found", "Optimization not found"),
    "405": ("method_not_allowed", "This path does not answer that method."),
    "409": ("conflict", "The object's state does not allow this."),
    "413": ("payload_too_large", "The body is larger than 5 MB."),
    "415": ("unsupported_media_type", 'Unsupported media type "text/plain" in request.'),
    "429": ("rate_limited", "Request was throttled. Expected available in 41 seconds."),
    "500": ("internal", "Something went wrong on our side; the request id tells us where."),
    "503": ("unavailable", "The database does not answer; please retry."),
}
# where the ids of paths come from: parameter, then per operation its place in the answer
_SOURCES = {
    "optimization_id": {"create_an_optimization": "/id", "list_optimizations": "/optimizations/0/id"},
    "model_id": {"create_an_optimization": "/model_id", "create_a_new_model": "/id", "list_models": "/models/0/id"},
    "metric_id": {"create_a_metric": "/id", "warehouse_metrics_list": "/metrics/0/id"},
    "key_id": {"create_an_api_key": "/id"},
    "table": {"list_tables": "/tables/0/name"},
}


def add_details(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A post-processing hook of drf-spectacular."""
    documented = json.loads(_EXAMPLES.read_text())
    operations = {
        operation["operationId"]: operation for path in result["paths"].values() for operation in path.values()
    }
    for name, operation in operations.items():
        examples = documented.get(name, {})
        if "request" in examples:
            operation["requestBody"]["content"]["application/json"]["example"] = examples["request"]
        for status, answer in operation["responses"].items():
            _describe(status, answer, examples)
    _add_links(operations)
    return result


def _describe(status: str, answer: dict[str, Any], examples: dict[str, Any]) -> None:
    answer["description"] = answer.get("description") or HTTPStatus(int(status)).phrase
    media = answer.get("content", {}).get("application/json")
    if media and (example := examples.get(status) or _error(status)):
        media["example"] = example
    if status in {"429", "503"}:
        seconds = {"schema": {"type": "integer"}, "description": "Seconds to wait."}
        answer.setdefault("headers", {})["Retry-After"] = seconds


def _error(status: str) -> dict[str, Any] | None:
    if status not in _ERRORS:
        return None
    code, message = _ERRORS[status]
    error: dict[str, Any] = {"code": code, "message": message}
    if status == "400":
        error["details"] = [{"field": "name", "message": "This field is required."}]
    return {"error": error, "meta": {"request_id": "req_abc123"}}


def _add_links(operations: dict[str, Any]) -> None:
    """From every answer that tells an id to every operation whose path needs just that one."""
    for name, operation in operations.items():
        parameters = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
        if len(parameters) != 1:
            continue
        for source, place in _SOURCES.get(parameters[0], {}).items():
            done = next(s for s in operations[source]["responses"] if s.startswith("2"))
            links = operations[source]["responses"][done].setdefault("links", {})
            links[name] = {"operationId": name, "parameters": {parameters[0]: f"$response.body#{place}"}}
