"""The tabs of one optimization: variants, factors, contexts, runs, settings. What was learned is read from one row."""

import datetime as dt
import re
from typing import Any

import pytest
from django.utils import timezone

from bandits.readout import readout
from optimizations.dashboard.training import STAGES
from optimizations.models import Optimization, Readout, TrainingRun
from optimizations.services import training
from optimizations.services.lifecycle import active_model
from optimizations.services.results import learned
from optimizations.templatetags.figures import change as signed_change
from tests.conftest import Tenant
from tests.dashboard.conftest import SignIn
from tests.factories import CONFIG, add_exposures, make_optimization

pytestmark = pytest.mark.django_db
VARIANTS = [{"headline": h, "cta_text": c} for h in ("Ship faster", "Save time") for c in ("Start free", "Try it now")]


def trained(tenant: Tenant, **changes: Any) -> Optimization:
    """Desktop visitors like one headline, mobile visitors the other."""
    optimization = make_optimization(tenant.organization, **changes)
    at = timezone.now() - dt.timedelta(days=3)
    for i, variant in enumerate(VARIANTS):
        for device in ("mobile", "desktop"):
            good = (variant["headline"] == "Save time") == (device == "desktop")
            where = {"variant": variant, "context": {"device": device}, "value": 7.0}
            add_exposures(optimization, 200, conversions=60 if good else 20, at=at, prefix=f"{i}{device}", **where)
    model = active_model(optimization)
    assert model is not None
    training.train(model, trigger="command")
    return optimization


def test_before_a_training_nothing_is_claimed(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    browser = sign_in(acme)
    for tab, text in (("factors", "What each factor does"), ("contexts", "What works for whom")):
        page = browser.get(f"/optimizations/{optimization.pk}/{tab}").content.decode()
        assert f"{text} is known after the first training." in page
        assert "Interactions" not in page


def test_what_an_earlier_release_did_not_store_is_asked_of_the_next_training(sign_in: SignIn, acme: Tenant) -> None:
    optimization = trained(acme)
    row = Readout.objects.get()
    row.conclusions = {k: v for k, v in row.conclusions.items() if k not in ("insights",)}
    row.save()
    page = sign_in(acme).get(f"/optimizations/{optimization.pk}/factors").content.decode()
    assert "is known after the next training." in page


def test_factors_are_the_readouts_own_numbers(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.append(readout(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(training, "readout", spy)
    found, read = learned(trained(acme)), None
    (read,) = seen
    assert [f["factor"] for f in found["levels"]] == ["headline", "cta_text"]
    assert [row["level"] for row in found["levels"][0]["levels"]] == CONFIG["design_factors"][0]["levels"]
    assert found["levels"][0]["range"]["mean"] == pytest.approx(read.ranges[0].mean, rel=1e-5)
    for rows, stored in zip(read.levels, found["levels"], strict=True):
        for row, level in zip(rows, stored["levels"], strict=True):
            assert level["effect"]["ci_lower"] == pytest.approx(row.effect.lo, rel=1e-5)
            assert level["expected_reward"]["mean"] == pytest.approx(row.reward.mean, rel=1e-5)
    (pair,), (original,) = found["interactions"], read.interactions
    assert pair["factors"] == ["headline", "cta_text"]
    for cell, extra in zip(pair["cells"], original.rewards.extra.mean.ravel(), strict=True):
        assert cell["masked"] == (cell["exposures"] < 100)
        assert cell["masked"] or cell["reward_beyond_additive"] == pytest.approx(extra, rel=1e-5)
        figures = ("observed_reward", "expected_reward", "additive_reward", "beyond_additive")
        for low, mean, high in ([cell[f][k] for k in ("ci_lower", "mean", "ci_upper")] for f in figures if cell[f]):
            assert low <= mean <= high
    assert not all(cell["masked"] for cell in pair["cells"])
    assert found["personalization"]["mean"] == pytest.approx(read.personalization.mean, rel=1e-5)
    for stored, cell in zip(found["contexts"], read.contexts, strict=True):
        assert stored["best_variant"]["number"] == cell.best + 1
        assert stored["traffic_share"] == pytest.approx(cell.weight, rel=1e-5)


def test_levels_and_pairs_are_shown_with_their_intervals(sign_in: SignIn, acme: Tenant) -> None:
    optimization = trained(acme)
    answer = sign_in(acme).get(f"/optimizations/{optimization.pk}/factors")
    page = answer.content.decode()
    for factor in answer.context["factors"]:
        assert factor["range"]["ci_lower"] <= factor["range"]["mean"] <= factor["range"]["ci_upper"]
        assert sum(level["is_baseline"] for level in factor["levels"]) == 1
    heat = answer.context["heat"]
    assert (len(heat["rows"]), len(heat["columns"])) == (3, 2)
    assert page.count('<td class="heat-') == 6
    for cell in heat["cells"]:
        assert cell["beyond"]["ci_lower"] < cell["extra"] < cell["beyond"]["ci_upper"]
        assert cell["extra"] == pytest.approx(cell["together"]["mean"] - cell["sum"]["mean"], abs=1e-6)
        assert signed_change(cell["extra"]) in page


def test_an_excluded_pair_is_shown_as_such_and_a_nonsense_pair_is_the_first(sign_in: SignIn, acme: Tenant) -> None:
    excluded = [{"headline": "Build better", "cta_text": "Try it now"}]
    optimization = trained(acme, excluded_combinations=excluded)
    answer = sign_in(acme).get(f"/optimizations/{optimization.pk}/factors?pair=17")
    masked = sum(cell["masked"] for cell in learned(optimization)["interactions"][0]["cells"])
    assert masked >= 1
    assert answer.content.decode().count("heat-none") == masked + 1  # the cells and the legend
    assert len(answer.context["heat"]["cells"]) == 6 - masked


def test_segments_name_their_own_winner(sign_in: SignIn, acme: Tenant) -> None:
    optimization = trained(acme)
    answer = sign_in(acme).get(f"/optimizations/{optimization.pk}/contexts")
    rows = answer.context["segments"].object_list
    winners = {row["chips"][0]["level"]: row["best_chips"][0]["level"] for row in rows}
    assert winners == {"mobile": "Ship faster", "desktop": "Save time"}
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    gain = answer.context["personalization"]
    assert gain["proven"]
    assert gain["differing"] >= 1
    assert "not proven" not in answer.content.decode()


def test_without_context_factors_there_is_no_such_tab(sign_in: SignIn, acme: Tenant) -> None:
    optimization = trained(acme, model_type="mab")
    browser = sign_in(acme)
    assert browser.get(f"/optimizations/{optimization.pk}/contexts").status_code == 404
    page = browser.get(f"/optimizations/{optimization.pk}/factors").content.decode()
    assert "/contexts" not in page


def test_a_numeric_reward_is_shown_in_its_own_unit(sign_in: SignIn, acme: Tenant) -> None:
    config = CONFIG | {"reward": {"name": "signup", "type": "numeric"}}
    optimization = trained(acme, training_data_config=config)
    browser = sign_in(acme)
    for tab in ("factors", "contexts", "variants", "runs"):
        page = browser.get(f"/optimizations/{optimization.pk}/{tab}").content.decode()
        assert " pp" not in page
        assert "Odds ratio" not in page


def test_variants_are_narrowed_by_level_and_ordered(sign_in: SignIn, acme: Tenant) -> None:
    optimization = trained(acme)
    browser, url = sign_in(acme), f"/optimizations/{optimization.pk}/variants"

    def shown(query: str) -> list[Any]:
        return [row.numbers for row in browser.get(url + query).context["variants"].object_list]

    assert len(shown("")) == 6
    assert {row["variant"]["headline"] for row in shown("?f0=1")} == {"Save time"}
    assert [row["number"] for row in shown("?f0=1&f1=1&order=number")] == [4]
    assert [row["number"] for row in shown("?order=number")] == [1, 2, 3, 4, 5, 6]
    for order, key in (("expected", "expected_reward_mean"), ("best", "prob_best"), ("exposures", "exposures")):
        values = [row[key] for row in shown(f"?order={order}")]
        assert values == sorted(values, reverse=True)
    assert len(shown("?f0=99&f1=x&order=nonsense")) == 6
    assert "2 of 6 variants match" in browser.get(url + "?f0=1").content.decode()


def test_an_excluded_choice_of_levels_says_so(sign_in: SignIn, acme: Tenant) -> None:
    excluded = [{"headline": "Build better", "cta_text": "Try it now"}]
    optimization = make_optimization(acme.organization, excluded_combinations=excluded)
    page = sign_in(acme).get(f"/optimizations/{optimization.pk}/variants?f0=2&f1=1").content.decode()
    assert "the combination is excluded" in page


def test_runs_are_paged_with_what_started_them(sign_in: SignIn, acme: Tenant) -> None:
    optimization = trained(acme)
    model = active_model(optimization)
    TrainingRun.objects.bulk_create(
        TrainingRun(model=model, trigger="schedule", outcome="failed", error="No answer.") for _ in range(25)
    )
    browser = sign_in(acme)
    assert len(browser.get(f"/optimizations/{optimization.pk}/runs").context["page"].object_list) == 25
    last = browser.get(f"/optimizations/{optimization.pk}/runs?page=2").content.decode()
    assert "Command line" in last
    assert re.search(r"\d\.\d\d s", last)


def test_every_stage_of_a_training_has_its_place_on_the_progress_bar(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages: list[str] = []
    save = TrainingRun.save

    def record(run: TrainingRun, *args: Any, **kwargs: Any) -> None:
        stages.append(run.stage)
        save(run, *args, **kwargs)

    monkeypatch.setattr(TrainingRun, "save", record)
    trained(acme)
    passed = [STAGES[stage] for stage in stages if stage]
    assert len(passed) == len(STAGES)
    assert passed == sorted(passed)


def test_renaming_and_describing(sign_in: SignIn, acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    browser, url = sign_in(acme), f"/optimizations/{optimization.pk}/details"
    page = browser.post(url, {"name": "Pricing", "description": "What we ask"}, follow=True).content.decode()
    assert "Saved." in page
    optimization.refresh_from_db()
    assert (optimization.name, optimization.description) == ("Pricing", "What we ask")
    refused = browser.post(url, {"name": " ", "description": "Kept"})
    assert refused.status_code == 400
    assert list(refused.context["forms"]["details"].errors) == ["name"]
    assert "Kept" in refused.content.decode()


def test_bias_trains_and_stays(sign_in: SignIn, acme: Tenant) -> None:
    optimization = trained(acme)
    browser, url = sign_in(acme), f"/optimizations/{optimization.pk}/bias"
    refused = browser.post(url, {"bias-headline": "-1", "bias-cta_text": "much"})
    assert refused.status_code == 400
    assert set(refused.context["forms"]["bias"].errors) == {"headline", "cta_text"}
    page = browser.post(url, {"bias-headline": "0.5", "bias-cta_text": ""}, follow=True).content.decode()
    assert "trained with the new exploration" in page
    assert 'value="0.5"' in page
    model = active_model(optimization)
    assert model is not None
    assert (model.bias, model.version) == ({"headline": 0.5}, 2)
