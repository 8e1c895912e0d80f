"""The two public operations in the OpenAPI schema. They are plain Django views, which the generator does not see."""

from typing import Any

import msgspec

from optimizations.api.serve import BestVariantBody, ServeBody

_PREFIX = "/api/v2/optimizations"
_VARIANT = {
    "type": "object",
    "properties": {
        "props": {
            "type": "object",
            "additionalProperties": {},
            "description": "The level of every design factor.",
        },
        "expected_reward": {
            "type": "number",
            "format": "double",
            "description": "Posterior mean reward in the request's context; 0 before the first training.",
        },
        "variant_number": {"type": "integer", "minimum": 1, "description": "1 is the baseline."},
        "propensity": {
            "type": "number",
            "format": "double",
            "minimum": 0,
            "maximum": 1,
            "description": "The exact probability that this variant comes first in this context, holdout included.",
        },
    },
    "required": ["props", "expected_reward", "variant_number", "propensity"],
}
_ANSWER = {
    "type": "object",
    "properties": {
        "variants": {
            "type": "array",
            "items": {"$ref": "#/components/schemas/ServedVariant"},
            "description": "Best first.",
        },
        "optimization_id": {"type": "string", "format": "uuid"},
        "model_type": {
            "type": "string",
            "enum": ["mab", "cmab", "holdout"],
            "description": "`holdout`: held out, gets the baseline.",
        },
        "ready": {
            "type": "boolean",
            "description": "False before the first training: variants are then drawn uniformly.",
        },
        "model_version": {"type": "integer", "minimum": 0, "description": "0 before the first training."},
        "meta": {
            "type": "object",
            "properties": {"request_id": {"type": "string"}, "organization_id": {"type": "string"}},
            "required": ["request_id", "organization_id"],
        },
    },
    "required": ["variants", "optimization_id", "model_type", "ready", "model_version", "meta"],
}
_TEXTS = {
    "anonymous_id": "Stable user identifier: the same user gets the same variant until the next model version.",
    "context": "Context factor values. Unknown or missing levels count as the average level.",
    "n_variants": "How many variants to return; all of them where there are fewer.",
    "dry_run": "Accepted; changes nothing, since nothing is ever written.",
    "props": "The design factor names. The newest live optimization whose factors these are answers.",
    "control": "Options of the answer.",
}
_ERRORS = {
    400: "The body is not JSON, or a field is missing or wrong.",
    401: "The publishable key is unknown.",
    404: "There is no such optimization, or it is archived.",
    405: "The path answers POST and OPTIONS only.",
    409: "`model_unavailable`: its model was deleted.",
    413: "The body is larger than 5 MB.",
    429: "More than 300 requests a minute from one address, over both paths together.",
    500: "Our mistake; the request id tells us where.",
    503: "The optimization is not in memory and the database does not answer.",
}


def add_public_operations(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A post-processing hook of drf-spectacular."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    schemas |= {"ServedVariant": _VARIANT, "Served": _ANSWER} | _bodies()
    optimization_id = {
        "in": "path",
        "name": "optimization_id",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    }
    result["paths"][f"{_PREFIX}/{{optimization_id}}/serve"] = {
        "post": _operation("serve", "Serve a variant", "ServeBody", serve_description, parameters=[optimization_id])
    }
    ambiguous = {
        404: "No live optimization has exactly these design factors.",
        409: "`ambiguous_match`: several organizations have one, and no publishable key tells which is meant; "
        "or `model_unavailable`.",
    }
    result["paths"][f"{_PREFIX}/best-variant"] = {
        "post": _operation(
            "best_variant", "Serve a variant by design factors", "BestVariantBody", best_description, errors=ambiguous
        )
    }
    result["paths"] = dict(sorted(result["paths"].items()))
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result


serve_description = (
    "The best variant for a user under the current model: a pure function of the optimization, its model version, the "
    "context and `anonymous_id`. No authentication; any origin may call it. Unknown fields are ignored."
)
best_description = (
    "As serve, for the live optimization that has exactly these design factors. A publishable key (`pk_…`) as bearer "
    "token or `X-API-Key` names the organization; it is optional."
)


def _operation(
    name: str,
    summary: str,
    body: str,
    description: str,
    *,
    parameters: list[dict[str, Any]] | None = None,
    errors: dict[int, str] | None = None,
) -> dict[str, Any]:
    texts = _ERRORS | (errors or {})
    if errors is None:
        del texts[401]
    responses: dict[str, Any] = {
        "200": {
            "description": "",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Served"}}},
        }
    }
    for status, text in texts.items():
        error = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
        responses[str(status)] = {"description": text, "content": error}
    return {
        "operationId": name,
        "summary": summary,
        "description": description,
        "tags": ["Serving"],
        "security": [{}],
        **({"parameters": parameters} if parameters else {}),
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}}},
        },
        "responses": responses,
    }


def _bodies() -> dict[str, Any]:
    """The schemas of what is decoded, made from the very types that decode it."""
    _, schemas = msgspec.json.schema_components(
        [ServeBody, BestVariantBody], ref_template="#/components/schemas/{name}"
    )
    for schema in schemas.values():
        schema.pop("title", None)
        if not schema.get("required"):
            schema.pop("required", None)
        for name, field in schema.get("properties", {}).items():
            if name in _TEXTS:
                field["description"] = _TEXTS[name]
            if "anyOf" in field:
                _make_nullable(field)
    return schemas


def _make_nullable(field: dict[str, Any]) -> None:
    """OpenAPI 3.0 has `nullable`, JSON Schema has `anyOf` with the type null."""
    types = [choice for choice in field.pop("anyOf") if choice != {"type": "null"}]
    field["nullable"] = True
    if "$ref" in types[0]:
        field["allOf"] = types
    else:
        field |= types[0]
    if field.get("default", ...) is None:
        del field["default"]
