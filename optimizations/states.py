"""The lifecycle as a table of allowed moves."""

from django.db import models


class Status(models.TextChoices):
    LIVE = "live", "Live"
    COMPLETED = "completed", "Completed"
    ARCHIVED = "archived", "Archived"


MOVES: dict[str, frozenset[str]] = {
    Status.LIVE: frozenset({Status.COMPLETED, Status.ARCHIVED}),
    Status.COMPLETED: frozenset({Status.ARCHIVED}),
    Status.ARCHIVED: frozenset(),
}


class ModelStatus(models.TextChoices):
    UNTRAINED = "untrained", "Not trained yet"
    TRAINING = "training", "Training"  # told while a claim is held, never stored
    TRAINED = "trained", "Trained"
    ARCHIVED = "archived", "Archived"
