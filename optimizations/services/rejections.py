"""How many exposures ingestion refused: the health of the data is the only place where they leave a trace."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable
from uuid import UUID

import structlog
from django.db import DatabaseError
from django.db.models import F, Sum

from optimizations.models import Optimization, RejectedExposures

log = structlog.get_logger("levered.ingestion")


def count_rejected(rejected: Iterable[tuple[UUID, str]], *, day: dt.date) -> None:
    """Adds to the day's counts, one (optimization, code) per exposure. Never fails: the batch is stored by now."""
    try:
        for (optimization_id, code), count in sorted(Counter(rejected).items()):
            row, _ = RejectedExposures.objects.get_or_create(optimization_id=optimization_id, day=day, code=code)
            RejectedExposures.objects.filter(pk=row.pk).update(count=F("count") + count)
    except DatabaseError:
        log.exception("rejected_exposures_not_counted")


def rejected_since(optimization: Optimization, day: dt.date) -> dict[str, int]:
    """Per code, the exposures refused on this day or later."""
    found = optimization.rejected_exposures.filter(day__gte=day).values_list("code")
    return dict(found.annotate(n=Sum("count")).order_by("code"))
