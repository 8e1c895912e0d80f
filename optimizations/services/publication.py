"""Telling every process that what is served has changed."""

from django.db import transaction
from django.db.models import F

from optimizations.models import Optimization, ServingRevision
from optimizations.services.snapshots import store


def publish(optimization: Optimization) -> None:
    """Marks the optimization as changed, in the caller's transaction: readers see the change and its number together.

    The one row's lock orders publications, so a process that has seen number n has seen every change up to n.
    """
    with transaction.atomic():
        ServingRevision.objects.get_or_create(pk=1)
        ServingRevision.objects.filter(pk=1).update(number=F("number") + 1)
        optimization.serving_revision = ServingRevision.objects.values_list("number", flat=True).get(pk=1)
        Optimization.objects.filter(pk=optimization.pk).update(serving_revision=optimization.serving_revision)
        transaction.on_commit(store.catch_up)
