"""The schedule trains what has new data; a task whose object is gone leaves quietly."""

import datetime as dt
import uuid
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from optimizations.models import BanditModel, TrainingRun
from optimizations.services.lifecycle import archive_optimization, delete_model
from optimizations.tasks import train_due_models, train_model
from tests.conftest import Tenant
from tests.factories import add_exposures, make_optimization

pytestmark = pytest.mark.django_db


def test_only_live_models_with_new_data_are_due(acme: Tenant, globex: Tenant) -> None:
    fed, hungry, archived = (make_optimization(acme.organization, name=n) for n in ("fed", "hungry", "archived"))
    hour_ago = timezone.now() - dt.timedelta(hours=1)
    for optimization in (fed, archived):
        add_exposures(optimization, 10, conversions=3, at=hour_ago, prefix=optimization.name)
    archive_optimization(archived)
    assert train_due_models() == 1
    [queued] = [task.task for task in OrmQ.objects.all()]
    assert queued["func"] == "optimizations.tasks.train_model"
    assert queued["args"] == (str(fed.models.get().pk),)
    assert train_model(*queued["args"]) == 1
    assert train_due_models() == 0
    assert not hungry.models.get().training_runs.exists()
    add_exposures(fed, 1, conversions=0, at=hour_ago, prefix="late")
    assert train_due_models() == 1


def test_a_late_reward_is_new_data(acme: Tenant) -> None:
    optimization = make_optimization(acme.organization)
    at = timezone.now() - dt.timedelta(hours=2)
    add_exposures(optimization, 5, conversions=0, at=at, prefix="p")
    train_model(str(optimization.models.get().pk))
    assert train_due_models() == 0
    from warehouse.models import Reward

    Reward.objects.create(organization=acme.organization, anonymous_id="p-0", name="signup", timestamp=timezone.now())
    assert train_due_models() == 1


def test_while_windows_close_an_hourly_look_is_enough(acme: Tenant, time_machine: Any) -> None:
    start = timezone.now()
    optimization = make_optimization(acme.organization)
    add_exposures(optimization, 5, conversions=1, at=start - dt.timedelta(minutes=10), prefix="p")
    hours_with_training = []
    for half_hours in range(1, 60):
        time_machine.move_to(start + dt.timedelta(minutes=30 * half_hours), tick=False)
        if train_due_models():
            hours_with_training.append(half_hours / 2)
            train_model(str(optimization.models.get().pk))
    assert hours_with_training == [0.5 + hour for hour in range(25)]  # the window of 24 hours, and once after it


def test_tasks_leave_quietly(acme: Tenant) -> None:
    assert train_model(str(uuid.uuid4())) is None
    model = make_optimization(acme.organization).models.get()
    BanditModel.objects.filter(pk=model.pk).update(training_claimed_at=timezone.now())
    assert train_model(str(model.pk)) is None
    delete_model(model)
    assert train_model(str(model.pk)) is None
    assert not TrainingRun.objects.exists()


def test_prepare_writes_each_schedule_once(settings: Any) -> None:
    for minutes in (5, 2):
        settings.TRAINING_MINUTES = minutes
        call_command("prepare", verbosity=0)
    written = {s.func.removeprefix("optimizations.tasks."): (s.minutes, s.repeats) for s in Schedule.objects.all()}
    assert written == {
        "train_due_models": (2, -1),
        "snapshot_lifts": (60, -1),
        "check_guardrails": (15, -1),
        "forget_expired": (1440, -1),
    }
