"""Closed days kept and open ones read, from every warehouse: at any series of moments what a full read gives."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Tenant
from tests.warehouse.conformance.events import NOW, WINDOW
from tests.warehouse.conformance.stages import SEEN_SQL, WON_SQL
from tests.warehouse.conformance.test_reads import IN_JSON, MAPPINGS, reads_from, spec_of
from tests.warehouse.test_increments import periods
from warehouse.models import AssignmentSource, Metric, ReadSeries
from warehouse.services.increments import read_arm_days, read_learned
from warehouse.services.observations import read_arms, read_cells, read_delays

pytestmark = pytest.mark.django_db
MIDNIGHT = NOW.replace(hour=0)  # within the events
moments = st.integers(-24 * 60, 40 * 60).map(lambda minutes: NOW + dt.timedelta(minutes=minutes))


@pytest.fixture(params=list(MAPPINGS))
def read(request: pytest.FixtureRequest, acme: Tenant, settings: Any) -> Any:
    settings.WAREHOUSE_LATENESS_HOURS = 0
    common = {"organization": acme.organization, "name": "Own"}
    source = AssignmentSource.objects.create(**common, sql=SEEN_SQL, column_mapping=IN_JSON)
    metric = Metric.objects.create(**common, sql=WON_SQL, column_mapping=MAPPINGS[request.param])
    return source, metric, spec_of(request.param)


def check(read: Any, now: dt.datetime, *, reread: bool = False) -> dt.date | None:
    """Reads both ways at `now` and compares; returns the first day that had to be read, None for all."""
    with periods() as seen:
        learned = read_learned(*read, now=now, reread=reread)
        arms = read_arm_days(*read, now=now, reread=reread)
    assert set(learned.cells) == set(read_cells(*read, now=now))
    assert learned.delays == read_delays(*read, now=now)
    assert sorted(map(repr, arms)) == sorted(map(repr, read_arms(*read, now=now)))
    assert len({period.start for period in seen[-2:]}) == 1
    return seen[-1].start


# what is asked does not hang on the dialect, and servers that translate every statement take their time
real = pytest.mark.parametrize("stage", ["postgres", "duckdb"], indirect=True)


@given(nows=st.lists(moments, min_size=2, max_size=3))
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_sum_of_increments_is_a_full_read(stage: Any, read: Any, nows: list[dt.datetime]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        reads_from(stage.connector(), patch)
        ReadSeries.objects.all().delete()
        for now in sorted(nows):
            check(read, now)


@real
def test_open_days_only(stage: Any, read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reads_from(stage.connector(), monkeypatch)
    assert check(read, MIDNIGHT) is None
    assert check(read, MIDNIGHT + WINDOW) == (MIDNIGHT - WINDOW).date()
    assert check(read, MIDNIGHT + WINDOW) == MIDNIGHT.date()
    assert check(read, MIDNIGHT + WINDOW, reread=True) is None


@real
def test_everything_at_times(stage: Any, read: Any, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """A warehouse of one's own does not tell of rows that arrive late."""
    reads_from(stage.connector(), monkeypatch)
    settings.WAREHOUSE_LATENESS_HOURS = 3
    check(read, MIDNIGHT + WINDOW + dt.timedelta(hours=3))
    ReadSeries.objects.update(begun_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=7) + dt.timedelta(minutes=1))
    assert check(read, MIDNIGHT + WINDOW + dt.timedelta(hours=3)) == MIDNIGHT.date()
    ReadSeries.objects.update(begun_at=dt.datetime.now(dt.UTC) - dt.timedelta(days=7))
    assert check(read, MIDNIGHT + WINDOW + dt.timedelta(hours=3)) is None
    assert check(read, MIDNIGHT + WINDOW + dt.timedelta(hours=3)) == MIDNIGHT.date()
