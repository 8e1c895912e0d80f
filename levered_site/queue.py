"""The task queue: django-q2 behind one function, so that callers name work, not a broker."""

from typing import Any

from django_q.tasks import async_task


def enqueue(task: str, *args: Any, group: str | None = None) -> str:
    """Queues `package.module.function` with plain arguments (ids, never objects) and returns the task's id.

    Within a transaction on the same database this is an outbox: the task exists if and only if the change does.
    """
    task_id: str = async_task(task, *args, group=group)
    return task_id
