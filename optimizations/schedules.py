"""What happens by itself, and how often."""

from django.conf import settings
from django_q.models import Schedule

GUARDRAIL_MINUTES = 15  # windows close, and harm shows, also when no new event arrives
TIDY_MINUTES = 60 * 24
SNAPSHOT_MINUTES = 60  # one snapshot a day is kept; writing it hourly survives a worker that is down for a while


def ensure_schedules() -> None:
    """Writes the schedules as configured now; safe to call at every start."""
    for name, func, minutes in (
        ("train-due-models", "train_due_models", settings.TRAINING_MINUTES),
        ("snapshot-lifts", "snapshot_lifts", SNAPSHOT_MINUTES),
        ("check-guardrails", "check_guardrails", GUARDRAIL_MINUTES),
        ("forget-expired", "forget_expired", TIDY_MINUTES),
    ):
        Schedule.objects.update_or_create(
            name=name,
            defaults={
                "func": f"optimizations.tasks.{func}",
                "schedule_type": Schedule.MINUTES,
                "minutes": minutes,
                "repeats": -1,
            },
        )
