"""The tools, through the official client: two organizations, every scope, dry runs, refusals."""

import datetime as dt
import json
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from bandits.assignment import holdout_limit, in_holdout
from levered_site.mcp.registry import TOOLS
from optimizations.models import BanditModel, Optimization, TrainingRun
from tests.conftest import Tenant
from tests.factories import CONFIG, METRIC_SQL, add_exposures, make_metric, make_optimization
from tests.mcp.conftest import Agent, Connect
from warehouse.models import Exposure, Metric, Reward

pytestmark = pytest.mark.django_db(transaction=True)
MAPPING = {"anonymous_id": "anonymous_id", "timestamp": "timestamp"}
FACTORS = CONFIG["design_factors"]


def test_an_optimization_from_end_to_end(connect: Connect, acme: Tenant, globex: Tenant) -> None:
    agent = connect(acme)
    status = agent.call("warehouse_status")
    assert (status["provider"], status["reachable"]) == ("managed", True)
    assert {t["name"] for t in agent.call("list_tables")["tables"]} == {"exposures", "rewards"}
    metric = agent.call("create_metric", name="Signup", sql=METRIC_SQL, column_mapping=MAPPING)
    made = agent.call(
        "create_optimization",
        name="Hero",
        reward_metric_id=metric["id"],
        design_factors=FACTORS,
        context_factors=CONFIG["context_factors"],
    )
    assert made["variants_count"] == 6
    assert made["baseline"] == {"headline": "Ship faster", "cta_text": "Start free"}
    optimization = Optimization.objects.get(pk=made["id"])
    assert optimization.organization == acme.organization
    served = agent.call("serve_preview", optimization_id=made["id"], anonymous_id="u1", context={"device": "mobile"})
    assert set(served["variants"][0]["props"]) == {"headline", "cta_text"}
    yesterday = timezone.now() - dt.timedelta(days=1)
    add_exposures(optimization, 60, conversions=20, at=yesterday, prefix="a")
    assert agent.call("train_model", model_id=made["model_id"], dry_run=True)["has_new_data"] is True
    assert not TrainingRun.objects.exists()
    trained = agent.call("train_model", model_id=made["model_id"])
    assert (trained["model_version"], trained["observations"]) == (1, 60)
    run = agent.call("get_model", model_id=made["model_id"])["last_run"]
    assert (run["outcome"], run["trigger"]) == ("succeeded", "mcp")
    results = agent.call("get_results", optimization_id=made["id"])
    assert sum(v["exposures"] for v in results["variants"]) == 60
    assert "time_series" not in results
    explained = agent.call("explain_result", optimization_id=made["id"])
    assert explained["verdict"] == "too_early"
    assert not explained["quotable"]
    assert explained["lift_percent"] is None
    assert {"sample_size", "interval"} <= set(explained["failed_gates"])
    assert agent.call("complete_optimization", optimization_id=made["id"])["status"] == "completed"
    assert agent.call("archive_optimization", optimization_id=made["id"])["status"] == "archived"
    assert agent.call("list_optimizations") == {"optimizations": []}
    archived = agent.call("list_optimizations", include_archived=True)["optimizations"]
    assert [o["id"] for o in archived] == [made["id"]]


def test_a_lift_that_holds_is_told_with_its_evidence(connect: Connect, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization, holdout_percentage=50)
    day = timezone.now() - dt.timedelta(days=3)
    better = {"headline": "Save time", "cta_text": "Try it now"}
    held, served = arms_of(optimization, 4000)
    for people, share, variant in ((held, 0.1, None), (served, 0.2, better)):
        _seen(optimization, people, share, day, variant)
    agent = connect(acme)
    agent.call("train_model", model_id=str(optimization.models.get().pk))
    explained = agent.call("explain_result", optimization_id=str(optimization.pk))
    assert explained["failed_gates"] == []
    assert explained["verdict"] == "better"
    assert explained["quotable"]
    assert explained["lift_ci"][0] > 0
    assert f"{explained['lift_percent']:+.1f} %" in explained["statement"]
    shown = agent.call("get_results", optimization_id=str(optimization.pk))["primary_metric_vs_holdout"]
    assert shown["robust"]["lift_percent"] == explained["lift_percent"]
    assert shown["robust"]["verdict"] == explained["verdict"]


def test_health_progress_guardrails_state_and_sql(connect: Connect, acme: Tenant) -> None:
    guard = make_metric(acme.organization, name="Refunds")
    guardrails = [{"metric_id": str(guard.pk), "direction": "decrease", "margin_percent": 5}]
    optimization = make_optimization(acme.organization, guardrails=guardrails)
    agent, by_id = connect(acme), {"optimization_id": str(optimization.pk)}
    model = {"model_id": str(optimization.models.get().pk)}
    before = agent.call("check_optimization", **by_id)
    assert before["health"]["status"] != "ok"
    assert before["progress"]["reason"]
    add_exposures(optimization, 60, conversions=20, at=timezone.now() - dt.timedelta(days=1), prefix="a")
    agent.call("train_model", **model)
    told = agent.call("check_optimization", **by_id)
    checks = {check["key"]: check for check in told["health"]["checks"]}
    assert checks["warehouse"]["status"] == "ok"
    assert told["progress"]["holdout_users"] + told["progress"]["optimization_users"] <= 60
    assert [(g["metric"]["name"], g["status"]) for g in told["guardrails"]] == [("Refunds", "pending")]
    only = agent.call("check_optimization", **by_id, aspects=["progress"])
    assert (only["health"], only["guardrails"]) == (None, None)
    assert "Input should be 'health'" in agent.refused("check_optimization", **by_id, aspects=["mood"])

    assert agent.call("get_model", **model)["state"] is None
    state = agent.call("get_model", **model, include_state=True)["state"]
    assert (state["reason"], len(state["factors"])) == (None, 2)
    sql = agent.call("get_results", **by_id, include_sql=True)["sql"]
    assert {"cells", "arms"} <= {statement["name"] for statement in sql["statements"]}
    rows = agent.call("query_warehouse", sql=sql["statements"][0]["sql"])["rows"]
    assert rows
    assert agent.call("get_results", **by_id)["sql"] is None


def test_lost_events_of_one_arm_make_the_result_invalid(connect: Connect, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization, holdout_percentage=50)
    held, served = arms_of(optimization, 2000)
    day = timezone.now() - dt.timedelta(days=3)
    _seen(optimization, held, 0.1, day, None)
    _seen(optimization, served[:300], 0.2, day, {"headline": "Save time", "cta_text": "Try it now"})
    agent = connect(acme)
    agent.call("train_model", model_id=str(optimization.models.get().pk))
    explained = agent.call("explain_result", optimization_id=str(optimization.pk))
    assert explained["verdict"] == "invalid"
    assert "sample_ratio" in explained["failed_gates"]
    assert explained["lift_percent"] is None


def arms_of(optimization: Optimization, users: int) -> tuple[list[str], list[str]]:
    """Users who are held out, and users who are not, as the assignment says."""
    limit, people = holdout_limit(optimization.holdout_percentage), [f"u{i}" for i in range(users)]
    held = [person for person in people if in_holdout(str(optimization.pk), person, limit)]
    return held, sorted(set(people) - set(held))


def _seen(
    optimization: Optimization, people: list[str], share: float, day: dt.datetime, variant: dict[str, Any] | None
) -> None:
    baseline = {"headline": "Ship faster", "cta_text": "Start free"}
    Exposure.objects.bulk_create(
        Exposure(
            organization=optimization.organization, optimization_id=optimization.pk, anonymous_id=person,
            variant=variant or baseline, context={"device": "mobile"}, timestamp=day,
        )
        for person in people
    )  # fmt: skip
    Reward.objects.bulk_create(
        Reward(
            organization=optimization.organization, anonymous_id=person, name="signup",
            timestamp=day + dt.timedelta(minutes=5), optimization_id=None,
        )
        for person in people[: int(share * len(people))]
    )  # fmt: skip


def changes(optimization: Optimization) -> list[tuple[str, dict[str, Any]]]:
    """Every tool that names an object, with arguments that would succeed for its owner."""
    by_id = {"optimization_id": str(optimization.pk)}
    model = {"model_id": str(optimization.models.get().pk)}
    return [
        ("get_optimization", by_id),
        ("update_optimization", by_id | {"name": "Stolen"}),
        ("complete_optimization", by_id),
        ("archive_optimization", by_id),
        ("serve_preview", by_id | {"anonymous_id": "u"}),
        ("get_results", by_id),
        ("explain_result", by_id),
        ("check_optimization", by_id),
        ("get_model", model),
        ("train_model", model),
        ("preview_metric", {"metric_id": str(optimization.reward_metric_id)}),
    ]


def test_what_another_organization_owns_does_not_exist(connect: Connect, acme: Tenant, globex: Tenant) -> None:
    foreign = make_optimization(globex.organization)
    agent = connect(acme)
    for name, arguments in changes(foreign):
        assert "not_found" in agent.refused(name, **arguments), name
    refused = agent.refused(
        "create_optimization", name="x", reward_metric_id=str(foreign.reward_metric_id), design_factors=FACTORS
    )
    assert "reward_metric_id: No metric of your organization" in refused
    foreign.refresh_from_db()
    assert (foreign.name, foreign.status) == ("Hero", "live")
    assert not TrainingRun.objects.exists()
    for name in ("list_optimizations", "list_metrics"):
        assert list(agent.call(name).values()) == [[]], name
    rows = agent.call("query_warehouse", sql="SELECT count(*) AS n FROM exposures")
    assert rows["rows"] == [{"n": 0}]


def test_tools_that_take_ids_are_all_tested_above(acme: Tenant) -> None:
    named = {name for name, _ in changes(make_optimization(acme.organization))}
    with_ids = {
        t.name.removeprefix("levered_") for t in TOOLS if any(p.endswith("_id") for p in t.parameters["properties"])
    }
    assert with_ids - named == {"create_optimization"}


def test_writing_needs_manage(connect: Connect, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    reader = connect(acme, "read")
    writing = {t.name.removeprefix("levered_") for t in TOOLS if t.annotations and not t.annotations.read_only_hint}
    calls = {name: arguments for name, arguments in changes(optimization) if name in writing}
    calls["create_metric"] = {"name": "x", "sql": METRIC_SQL, "column_mapping": MAPPING}
    calls["create_optimization"] = {
        "name": "x",
        "reward_metric_id": str(optimization.reward_metric_id),
        "design_factors": FACTORS,
    }
    assert set(calls) == writing
    for name, arguments in calls.items():
        for dry_run in (True, False):
            told = reader.refused(name, **arguments, dry_run=dry_run)
            assert "forbidden: This needs the 'manage' scope" in told, name
    assert reader.call("get_optimization", optimization_id=str(optimization.pk))["status"] == "live"


def test_dry_runs_store_nothing(connect: Connect, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    agent, by_id = connect(acme), {"optimization_id": str(optimization.pk), "dry_run": True}
    before = (Optimization.objects.count(), Metric.objects.count(), BanditModel.objects.count())
    made = agent.call(
        "create_optimization",
        name="x",
        reward_metric_id=str(optimization.reward_metric_id),
        design_factors=FACTORS,
        dry_run=True,
    )
    assert (made["id"], made["dry_run"], made["variants_count"]) == (None, True, 6)
    metric = agent.call("create_metric", name="x", sql=METRIC_SQL, column_mapping=MAPPING, dry_run=True)
    assert metric["id"] is None
    assert agent.call("update_optimization", name="New", **by_id)["name"] == "New"
    assert agent.call("complete_optimization", **by_id)["status"] == "completed"
    assert agent.call("archive_optimization", **by_id)["status"] == "archived"
    assert (Optimization.objects.count(), Metric.objects.count(), BanditModel.objects.count()) == before
    optimization.refresh_from_db()
    assert (optimization.name, optimization.status) == ("Hero", "live")
    refused = agent.refused(
        "create_optimization", name="x", reward_metric_id=str(uuid4()), design_factors=FACTORS, dry_run=True
    )
    assert "reward_metric_id" in refused


def test_refusals_say_what_to_do(connect: Connect, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    agent, by_id = connect(acme), {"optimization_id": str(optimization.pk)}
    agent.call("archive_optimization", **by_id)
    again = agent.refused("complete_optimization", **by_id)
    assert "invalid_transition: An optimization that is archived cannot become completed." in again
    assert "live → completed" in again
    assert "not_found" in agent.refused("get_optimization", optimization_id=str(uuid4()))
    assert "valid UUID" in agent.refused("get_optimization", optimization_id="Hero")
    assert "Extra inputs are not permitted" in agent.refused("list_optimizations", limt=3)
    assert "invalid_request" in agent.refused("query_warehouse", sql="DROP TABLE users")
    told = agent.refused(
        "create_optimization",
        name="x",
        reward_metric_id=str(optimization.reward_metric_id),
        design_factors=[{"name": "cta", "levels": ["a", "a"]}],
    )
    assert "training_data_config.design_factors[0].levels[1]" in told
    mapping = MAPPING | {"value": "nope", "reward_type": "numeric"}
    assert "column_mapping.value" in agent.refused("create_metric", name="x", sql=METRIC_SQL, column_mapping=mapping)


def test_a_crash_tells_nothing(connect: Connect, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr("optimizations.services.lifecycle.list_optimizations", crash)
    assert connect(acme).refused("list_optimizations") == "Error executing tool levered_list_optimizations"


def test_levels_keep_their_types(connect: Connect, acme: Tenant) -> None:
    factors = [
        {"name": "on", "dtype": "bool", "levels": [False, True]},
        {"name": "price", "dtype": "float", "levels": [1.5, 2.0]},
        {"name": "size", "dtype": "int", "levels": [1, 2]},
    ]
    agent, metric = connect(acme), make_metric(acme.organization)
    made = agent.call("create_optimization", name="x", reward_metric_id=str(metric.pk), design_factors=factors)
    full = agent.call("get_optimization", optimization_id=made["id"])
    shown = full["training_data_config"]["design_factors"]
    assert json.dumps([f["levels"] for f in shown]) == "[[false, true], [1.5, 2.0], [1, 2]]"


def test_schemas_and_hints(connect: Connect, acme: Tenant) -> None:
    for name, tool in connect(acme).tools().items():
        assert name.startswith("levered_")
        assert tool.title
        assert "Needs the `" in tool.description
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema["type"] == "object"
        assert tool.output_schema["properties"]
        hints = tool.annotations
        assert hints.open_world_hint is False
        assert ("dry_run" in tool.input_schema["properties"]) is (not hints.read_only_hint), name
        ends = name in {"levered_complete_optimization", "levered_archive_optimization", "levered_update_optimization"}
        assert hints.destructive_hint is ends
        makes = name in {"levered_create_optimization", "levered_create_metric", "levered_train_model"}
        assert hints.idempotent_hint is not makes


def test_prompts(connect: Connect, acme: Tenant) -> None:
    agent: Agent = connect(acme)
    prompts = {p.name: p for p in agent.run(lambda client: client.list_prompts()).prompts}
    assert set(prompts) == {"set_up_an_optimization", "report_on_an_optimization"}
    report = agent.run(lambda client: client.get_prompt("report_on_an_optimization", {"optimization_id": "abc"}))
    assert "levered_explain_result" in report.messages[0].content.text
    names = {t.name for t in TOOLS}
    setup = agent.run(lambda client: client.get_prompt("set_up_an_optimization", {"goal": "more trials"}))
    for text in (report.messages[0].content.text, setup.messages[0].content.text):
        assert {w.strip("`.,;:()") for w in text.split() if w.startswith("levered_")} <= names
