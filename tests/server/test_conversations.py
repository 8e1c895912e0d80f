"""Whole conversations with a live server, made up from the schema and its links: what one answer tells, the next request
uses. No crash, no undocumented status, no answer that breaks its schema, no way around the credential."""

import json
import random
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from tests.server.process import Server, run

pytestmark = pytest.mark.server
EXAMPLES, STEPS = 20, 15
# a conversation finds the same world as every other, or the generator could not repeat itself
WORLDS = f"""
import django, json
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.conftest import tenant
from tests.factories import make_optimization
worlds = []
for i in range({8 * EXAMPLES}):
    one = tenant(f"Tenant {{i}}")
    worlds.append([one.secret, str(make_optimization(one.organization).reward_metric_id)])
print(json.dumps(worlds))
"""
bounded = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
UNLIMITED = {f"LEVERED_RATE_LIMIT_{group}": "1000000/m" for group in ("API", "SERVE", "INGEST")}


def test_whatever_is_said_in_whatever_order(environment: dict[str, str]) -> None:
    worlds = run(WORLDS, environment)
    server = Server(environment | UNLIMITED)
    try:
        converse(server, worlds)
    finally:
        server.kill()


def converse(server: Server, worlds: list[list[str]]) -> None:
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{server.port}/api/v2/schema")
    answered: dict[tuple[str, int], int] = {}

    class Conversation(schema.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            self.secret, self.metric = worlds.pop()
            self.chance = random.Random(0)

        def before_call(self, case: schemathesis.Case) -> None:
            """Ids come true more often than a generator guesses them; the rest of a body stays as it was made up."""
            name = case.operation.definition.raw["operationId"]
            documented = case.operation.definition.raw.get("requestBody", {}).get("content", {})
            example = documented.get("application/json", {}).get("example")
            if example is not None and self.chance.random() < 0.8:
                case.body = json.loads(json.dumps(example))
            if name == "create_an_optimization" and isinstance(case.body, dict):
                case.body["reward_metric_id"] = self.metric

        def get_call_kwargs(self, case: schemathesis.Case) -> dict[str, Any]:
            return {"headers": {"Authorization": f"Bearer {self.secret}"}}

        def validate_response(self, response: Any, case: schemathesis.Case, **kwargs: Any) -> None:
            name = case.operation.definition.raw["operationId"]
            answered[name, response.status_code] = answered.get((name, response.status_code), 0) + 1
            case.validate_response(response, excluded_checks=[positive_data_acceptance, negative_data_rejection])

    Conversation.run(settings=bounded)
    succeeded = {name for name, status in answered if status < 300}
    assert len(succeeded) > 20, (
        answered
    )  # it speaks of what exists; tests/api/test_schemathesis.py asks every operation
