"""The statements behind an optimization's numbers, so that anybody can run them and compare."""

import datetime as dt
from dataclasses import dataclass

from django.utils import timezone

from optimizations.models import Optimization, TrainingRun
from optimizations.services.observations import config_of, spec_of
from warehouse.models import Provider
from warehouse.services.connections import provider_of
from warehouse.services.observations import statements
from warehouse.services.sources import source_in_use

_TITLES = {
    "cells": ("Training cells", "Exposures with their last-touch rewards, per variant, context and UTC day."),
    "delays": ("Delays", "Whole hours from exposure to reward: how much of its chance a young exposure has had."),
    "arms": ("Measured lift", "Users by the day and the arm of their first exposure; the holdout by its hash."),
    "cap": ("Cap", "What single rewards are cut to for training; reports use them uncut."),
}
_MANAGED = "They run as they stand in POST /warehouse/query, which reads the rows of your organization only."
_OWN = "They run as they stand in your warehouse, as the connection's user."


@dataclass(frozen=True)
class Statement:
    name: str
    title: str
    description: str
    sql: str


@dataclass(frozen=True)
class Statements:
    """`as_of`: the moment that the statements look back from, that of the latest training if there was one."""

    provider: str
    as_of: dt.datetime
    note: str
    statements: list[Statement]


def optimization_statements(optimization: Optimization) -> Statements:
    """Each statement with all values spelled out, as of the latest training.

    Raises:
        Conflict: the assignment source was deleted.
        InvalidRequest: the SQL of the source or of the metric no longer runs in the warehouse.
        Unavailable: the warehouse does not answer; it is asked for the columns that the SQL returns.
    """
    source = source_in_use(optimization.organization, optimization.assignment_source)
    trained = TrainingRun.objects.filter(model__optimization=optimization, outcome=TrainingRun.Outcome.SUCCEEDED)
    as_of = trained.order_by("-started_at").values_list("started_at", flat=True).first() or timezone.now()
    found = statements(source, optimization.reward_metric, spec_of(optimization, config_of(optimization)), now=as_of)
    provider = provider_of(optimization.organization)
    return Statements(
        provider=provider,
        as_of=as_of,
        note=_MANAGED if provider == Provider.MANAGED else _OWN,
        statements=[Statement(name, *_TITLES[name], sql) for name, sql in found.items()],
    )
