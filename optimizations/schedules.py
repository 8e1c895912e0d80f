"""What happens by itself, and how often."""

from django.conf import settings
from django_q.models import Schedule


def ensure_schedules() -> None:
    """Writes the schedules as configured now; safe to call at every start."""
    Schedule.objects.update_or_create(
        name="train-due-models",
        defaults={
            "func": "optimizations.tasks.train_due_models",
            "schedule_type": Schedule.MINUTES,
            "minutes": settings.TRAINING_MINUTES,
            "repeats": -1,
        },
    )
