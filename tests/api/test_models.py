"""`/models`: list, get, train, delete, and a new model after a deletion."""

import datetime as dt
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from levered_site.errors import Unavailable
from levered_site.organizations.models import Role
from optimizations.models import BanditModel, Optimization, PosteriorVersion, Readout, TrainingRun
from tests.conftest import Tenant
from tests.factories import CONFIG, add_exposures, make_optimization

URL = "/api/v2/models"
pytestmark = pytest.mark.django_db


def model_of(optimization: Optimization) -> BanditModel:
    return optimization.models.get()


def with_traffic(tenant: Tenant) -> Optimization:
    optimization = make_optimization(tenant.organization)
    day = timezone.now() - dt.timedelta(days=3)
    better = {"headline": "Save time", "cta_text": "Start free"}
    for device in ("mobile", "desktop"):
        place = {"context": {"device": device}}
        add_exposures(optimization, 200, conversions=20, at=day, prefix=f"base-{device}", **place)
        add_exposures(optimization, 200, conversions=60, at=day, prefix=f"better-{device}", variant=better, **place)
    return optimization


class TestTrain:
    def test_the_documented_answer(self, acme: Tenant, globex: Tenant) -> None:
        optimization = with_traffic(acme)
        with_traffic(globex)
        model = model_of(optimization)
        answer = acme.client.post(f"{URL}/{model.pk}/train")
        assert answer.status_code == 200
        body = answer.json()
        assert body["model_id"] == str(model.pk)
        assert body["status"] == "trained"
        assert body["model_version"] == 1
        assert body["observations"] == 800
        metrics = body["in_sample_metrics"]
        assert metrics["historic_reward"] == pytest.approx(160 / 800)
        expected = metrics["expected_reward"]
        assert expected["ci_lower"] < expected["mean"] < expected["ci_upper"]
        assert expected["mean"] > metrics["historic_reward"]
        run = TrainingRun.objects.get(pk=body["training_run_id"])
        assert (run.outcome, run.version, run.trigger, run.stage) == ("succeeded", 1, "api", "")

    def test_training_shows_in_the_optimization(self, acme: Tenant) -> None:
        optimization = with_traffic(acme)
        acme.client.post(f"{URL}/{model_of(optimization).pk}/train")
        full = acme.client.get(f"/api/v2/optimizations/{optimization.pk}").json()
        assert full["model_status"] == "trained"
        assert full["model"]["version"] == 1
        assert full["summary"]["variants_count"] == 6
        assert full["summary"]["exposures"] == 800
        assert 0.9 < full["summary"]["confidence"] <= 1

    def test_versions_count_up_and_their_decision_log_stays(self, acme: Tenant) -> None:
        optimization = with_traffic(acme)
        model = model_of(optimization)
        for version in (1, 2, 3):
            assert acme.client.post(f"{URL}/{model.pk}/train").json()["model_version"] == version
        logged = PosteriorVersion.objects.filter(model=model)
        assert logged.count() == 3
        for posterior in logged:
            cells = {tuple(codes): slots for codes, slots in posterior.shares}
            assert set(cells) == {(0,), (1,)}
            assert all(sum(n for _, n in slots) == 4096 for slots in cells.values())

    @pytest.mark.parametrize("blob", [b"", b"damaged", b"LVRDPOST" + bytes(64)])
    def test_an_unreadable_earlier_posterior_only_makes_the_fit_start_cold(self, acme: Tenant, blob: bytes) -> None:
        model = model_of(with_traffic(acme))
        first = acme.client.post(f"{URL}/{model.pk}/train").json()
        model.posteriors.update(blob=blob)
        Readout.objects.update(blob=blob)
        again = acme.client.post(f"{URL}/{model.pk}/train").json()
        assert again["model_version"] == 2
        assert again["in_sample_metrics"]["expected_reward"]["mean"] == pytest.approx(
            first["in_sample_metrics"]["expected_reward"]["mean"], rel=0.02
        )

    def test_without_any_data_the_prior_is_served(self, acme: Tenant) -> None:
        answer = acme.client.post(f"{URL}/{model_of(make_optimization(acme.organization)).pk}/train").json()
        assert answer["observations"] == 0
        assert answer["in_sample_metrics"]["historic_reward"] is None

    def test_a_bias_is_kept_for_later_trainings(self, acme: Tenant) -> None:
        optimization = with_traffic(acme)
        model = model_of(optimization)
        plain = acme.client.post(f"{URL}/{model.pk}/train", {})
        assert plain.status_code == 200
        assert acme.client.post(f"{URL}/{model.pk}/train", {"bias": {"headline": 2}}).status_code == 200
        acme.client.post(f"{URL}/{model.pk}/train")
        first, second, third = PosteriorVersion.objects.filter(model=model).order_by("version")
        assert (first.bias, second.bias, third.bias) == ({}, {"headline": 2.0}, {"headline": 2.0})
        served = [len(p.shares[0][1]) for p in (first, second)]
        assert served[1] >= served[0]

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"bias": {"colour": 0.1}}, "bias.colour"),
            ({"bias": {"headline": -0.1}}, "bias.headline"),
            ({"bias": {"headline": "much"}}, "bias.headline"),
            ({"bias": [0.1]}, "bias"),
            ({"biases": {}}, "biases"),
        ],
    )
    def test_bad_bodies(self, acme: Tenant, body: dict[str, Any], field: str) -> None:
        model = model_of(make_optimization(acme.organization))
        answer = acme.client.post(f"{URL}/{model.pk}/train", body)
        assert answer.status_code == 400
        assert field in [d["field"] for d in answer.json()["error"]["details"]]
        assert not TrainingRun.objects.exists()

    def test_a_second_call_while_one_runs(self, acme: Tenant) -> None:
        model = model_of(make_optimization(acme.organization))
        BanditModel.objects.filter(pk=model.pk).update(training_claimed_at=timezone.now())
        answer = acme.client.post(f"{URL}/{model.pk}/train")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "training_in_progress"
        shown = acme.client.get(f"{URL}/{model.pk}").json()
        assert shown["status"] == "training"

    def test_the_claim_of_a_dead_process_expires(self, acme: Tenant) -> None:
        model = model_of(make_optimization(acme.organization))
        BanditModel.objects.filter(pk=model.pk).update(training_claimed_at=timezone.now() - dt.timedelta(hours=1))
        assert acme.client.post(f"{URL}/{model.pk}/train").status_code == 200

    def test_a_warehouse_that_does_not_answer(self, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        optimization = with_traffic(acme)
        model = model_of(optimization)
        acme.client.post(f"{URL}/{model.pk}/train")

        def gone(*args: Any, **kwargs: Any) -> None:
            raise Unavailable("The warehouse does not answer.")

        monkeypatch.setattr("optimizations.services.observations.read_learned", gone)
        answer = acme.client.post(f"{URL}/{model.pk}/train")
        assert answer.status_code == 503
        assert answer["Retry-After"]
        model.refresh_from_db()
        assert (model.version, model.status, model.training_claimed_at) == (1, "trained", None)
        assert model.training_runs.first().error == "The warehouse does not answer."  # type: ignore[union-attr]

    def test_a_crash_is_recorded_and_frees_the_model(self, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        model = model_of(with_traffic(acme))

        def crash(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError("secret detail")

        monkeypatch.setattr("optimizations.services.training.fit", crash)
        client = acme.client
        client.raise_request_exception = False
        assert client.post(f"{URL}/{model.pk}/train").status_code == 500
        run = model.training_runs.get()
        assert run.outcome == "failed"
        assert "secret" not in run.error
        model.refresh_from_db()
        assert model.training_claimed_at is None

    def test_only_live_optimizations_learn(self, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        acme.client.patch(f"/api/v2/optimizations/{optimization.pk}", {"status": "completed"})
        answer = acme.client.post(f"{URL}/{model_of(optimization).pk}/train")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "conflict"

    def test_a_removed_source(self, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        source = "/api/v2/warehouse/assignment-source"
        assert acme.client.delete(source).status_code == 204
        assert acme.client.post(f"{URL}/{model_of(optimization).pk}/train").status_code == 409
        again = {
            "name": "Exposures",
            "sql": "SELECT anonymous_id, timestamp, optimization_id, variant, context FROM exposures",
            "column_mapping": {
                "anonymous_id": "anonymous_id", "timestamp": "timestamp", "variant": "variant", "context": "context",
            },
        }  # fmt: skip
        assert acme.client.post(source, again).status_code == 201
        assert acme.client.post(f"{URL}/{model_of(optimization).pk}/train").status_code == 200

    def test_who_may(self, acme: Tenant, globex: Tenant, anonymous: APIClient) -> None:
        model = model_of(make_optimization(acme.organization))
        url = f"{URL}/{model.pk}/train"
        assert anonymous.post(url).status_code == 401
        assert acme.with_scopes("read", "ingest").post(url).status_code == 403
        assert acme.browser(Role.VIEWER).post(url).status_code == 403
        assert globex.client.post(url).status_code == 404
        assert acme.client.post(f"{URL}/{uuid4()}/train").status_code == 404
        assert not TrainingRun.objects.exists()

    @pytest.mark.parametrize("raw", ["{", "[1]", '{"bias": {"headline": NaN}}'])
    def test_bodies_that_are_no_json(self, acme: Tenant, raw: str) -> None:
        model = model_of(make_optimization(acme.organization))
        answer = acme.client.post(f"{URL}/{model.pk}/train", raw, content_type="application/json")
        assert answer.status_code == 400


class TestListAndGet:
    def test_the_documented_shape(self, acme: Tenant, globex: Tenant) -> None:
        optimization = make_optimization(acme.organization, model_type="mab")
        make_optimization(globex.organization)
        [row] = acme.client.get(URL).json()["models"]
        assert row["model_type"] == "mab"
        assert row["status"] == "untrained"
        assert row["training_data_config"] == CONFIG
        one = acme.client.get(f"{URL}/{row['id']}").json()
        assert {k: v for k, v in one.items() if k != "meta"} == row
        assert globex.client.get(f"{URL}/{row['id']}").status_code == 404
        assert str(optimization.pk) == row["optimization_id"]


class TestDelete:
    def test_a_deleted_model_makes_room_for_a_new_one(self, acme: Tenant, globex: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        model = model_of(optimization)
        new = f"/api/v2/optimizations/{optimization.pk}/model"
        assert acme.client.post(new).status_code == 409
        assert globex.client.delete(f"{URL}/{model.pk}").status_code == 404
        deleted = acme.client.delete(f"{URL}/{model.pk}").json()
        assert (deleted["id"], deleted["status"]) == (str(model.pk), "archived")
        assert acme.client.delete(f"{URL}/{model.pk}").status_code == 404
        assert acme.client.get(URL).json()["models"] == []
        assert acme.client.get(f"/api/v2/optimizations/{optimization.pk}").json()["model"] is None
        assert globex.client.post(new).status_code == 404
        made = acme.client.post(new)
        assert made.status_code == 201
        assert made.json()["status"] == "untrained"
        assert made.json()["id"] != str(model.pk)
