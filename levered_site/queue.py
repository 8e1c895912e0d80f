"""The task queue: django-q2 behind one function, so that callers name work, not a broker."""

import datetime as dt
from typing import Any

from django.utils import timezone
from django_q.models import Schedule
from django_q.tasks import async_task, schedule


def enqueue(task: str, *args: Any, group: str | None = None) -> str:
    """Queues `package.module.function` with plain arguments (ids, never objects) and returns the task's id.

    Within a transaction on the same database this is an outbox: the task exists if and only if the change does.
    """
    task_id: str = async_task(task, *args, group=group)
    return task_id


def enqueue_later(task: str, *args: Any, delay: dt.timedelta) -> None:
    """`enqueue` when the delay has passed; workers look for what is due twice a minute."""
    # repeats: the schedule itself is gone once it has queued the task
    schedule(task, *args, schedule_type=Schedule.ONCE, repeats=-1, next_run=timezone.now() + delay)
