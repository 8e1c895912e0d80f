"""Requests ready to paste into a shell: those of an integration, and those that create an optimization."""

import json
import shlex
from typing import Any

from optimizations.config import Config
from optimizations.models import Optimization

USER = "user-123"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _body(fields: dict[str, Any], *, event: bool) -> str:
    """JSON with a line per field; an event stands in its batch."""
    lines = ",\n    ".join(f"{_json(name)}: {_json(value)}" for name, value in fields.items())
    return f'{{"events": [{{\n    {lines}\n  }}]}}' if event else _json(fields)


def _curl(url: str, body: dict[str, Any], *, key: bool) -> str:
    lines = [f"curl -X POST {shlex.quote(url)}"]
    if key:
        lines.append('  -H "Authorization: Bearer $LEVERED_API_KEY"')
    lines.append("  -H 'Content-Type: application/json'")
    lines.append(f"  -d {shlex.quote(_body(body, event=key))}")
    return " \\\n".join(lines)


def serve_snippet(optimization: Optimization, body: dict[str, Any], *, base_url: str) -> str:
    """The request that asks for a variant."""
    return _curl(f"{base_url}/api/v2/optimizations/{optimization.pk}/serve", body, key=False)


def creation_requests(body: dict[str, Any], metric: dict[str, Any] | None, *, base_url: str) -> list[dict[str, str]]:
    """`title`, `text` and `code` of what creates an optimization; `metric` is one that has to be made first."""
    api = f"{base_url}/api/v2"
    requests = []
    if metric:
        requests.append(
            {
                "title": "Create the metric",
                "text": "The answer's id takes the place of METRIC_ID below.",
                "code": _create(f"{api}/warehouse/metrics", metric),
            }
        )
    text = "With an API key of the scope manage."
    requests.append({"title": "Create the optimization", "text": text, "code": _create(f"{api}/optimizations", body)})
    return requests


def _create(url: str, body: dict[str, Any]) -> str:
    lines = [
        f"curl -X POST {shlex.quote(url)}",
        '  -H "Authorization: Bearer $LEVERED_API_KEY"',
        "  -H 'Content-Type: application/json'",
        f"  -d {shlex.quote(json.dumps(body, ensure_ascii=False, indent=2))}",
    ]
    return " \\\n".join(lines)


def snippets_of(optimization: Optimization, config: Config, *, reward_name: str, base_url: str) -> list[dict[str, str]]:
    """`title`, `text` and `code` of serve, exposure and reward; `base_url` is the product's own address."""
    api = f"{base_url}/api/v2"
    context = {factor.name: factor.levels[0] for factor in config.context}
    exposure: dict[str, Any] = {
        "anonymous_id": USER,
        "optimization_id": str(optimization.pk),
        "variant": config.props(0),
    }
    serve: dict[str, Any] = {"anonymous_id": USER}
    if context:
        exposure["context"] = context
        serve["context"] = context
    reward: dict[str, Any] = {"anonymous_id": USER, "name": reward_name}
    if config.reward_type == "numeric":
        reward["value"] = 49.9
    return [
        {
            "title": "Ask for a variant",
            "text": "From the browser or from your server. No key is needed.",
            "code": serve_snippet(optimization, serve, base_url=base_url),
        },
        {
            "title": "Say that it was shown",
            "text": "With an API key of the scope ingest, and the variant as you received it.",
            "code": _curl(f"{api}/ingest/exposures", exposure, key=True),
        },
        {
            "title": "Say what it brought",
            "text": "The reward finds its exposure by the same anonymous_id, within the conversion window.",
            "code": _curl(f"{api}/ingest/rewards", reward, key=True),
        },
    ]
