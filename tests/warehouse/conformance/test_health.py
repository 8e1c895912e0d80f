"""What the health of the data is told by: from every warehouse what plain Python counts in the same events."""

import datetime as dt
from collections import Counter
from typing import Any

import pytest

from tests.conftest import Tenant
from tests.warehouse import reference
from tests.warehouse.conformance.events import CHANGED, NOW, WINDOW, Exposed, draw
from tests.warehouse.conformance.stages import SEEN_SQL, WON_SQL
from tests.warehouse.conformance.test_reads import (
    IN_JSON,
    LIMITS,
    MAPPINGS,
    OPTIMIZATION,
    counted,
    reads_from,
    spec_of,
)
from warehouse.models import AssignmentSource, Metric
from warehouse.services.data_health import AHEAD, DAY, Stream, read_arrivals, read_shown

pytestmark = pytest.mark.django_db


@pytest.fixture
def selects(stage: Any, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> tuple[AssignmentSource, Metric]:
    reads_from(stage.connector(), monkeypatch)
    source = AssignmentSource(organization=acme.organization, sql=SEEN_SQL, column_mapping=IN_JSON)
    return source, Metric(organization=acme.organization, sql=WON_SQL, column_mapping=MAPPINGS["bool"])


def test_arrivals(selects: tuple[AssignmentSource, Metric]) -> None:
    exposures, rewards = draw(1)
    won = counted(rewards, "bool")
    now = NOW + dt.timedelta(hours=1)
    found = read_arrivals(*selects, spec_of("bool"), now=now, clock_since=NOW)
    assert found.exposures == stream_of([e.at for e in exposures], now)
    assert found.rewards == stream_of([w.at for w in won], now)
    exposed = {e.anonymous_id for e in exposures}
    assert (found.rewards_30d, found.matched_30d) == (len(won), sum(w.uid in exposed for w in won))
    assert found.clock is None
    assert found.exposures.ahead
    assert found.exposures.last_24h < found.exposures.total


def stream_of(moments: list[dt.datetime], now: dt.datetime) -> Stream:
    in_time = [at for at in moments if at <= now + AHEAD]
    last_day, last_week = (sum(at >= now - days * DAY for at in in_time) for days in (1, 7))
    return Stream(len(in_time), max(in_time), last_day, last_week, len(moments) - len(in_time))


def test_who_was_shown_what(selects: tuple[AssignmentSource, Metric]) -> None:
    """Policies begin and the holdout changes at moments of exposures; known users and later exposures do not count."""
    exposures, _ = draw(1)
    began = sorted({e.at for e in exposures})[5::40]
    assert any(at < CHANGED for at in began)
    first: dict[str, Exposed] = {}
    for e in sorted(exposures, key=lambda e: (e.at, e.cta.encode(), (e.device or "").encode())):
        first.setdefault(e.anonymous_id, e)
    expected: Counter[tuple[Any, ...]] = Counter()
    for e in first.values():
        if began[0] <= e.at <= NOW:
            held = reference.held_out(OPTIMIZATION, e.anonymous_id, LIMITS[e.at >= CHANGED])
            expected[(e.cta,), (e.device,), sum(at <= e.at for at in began) - 1, held] += 1
    found = read_shown(*selects, spec_of("bool"), began=began, now=NOW)
    assert {(s.design, s.context, s.policy, s.holdout): s.users for s in found} == dict(expected)
    assert len({policy for _, _, policy, _ in expected}) > 1
    assert sum(expected.values()) < len(first)  # some came before the first policy


def test_nothing_has_arrived(selects: tuple[AssignmentSource, Metric]) -> None:
    source, metric = selects
    source.sql = SEEN_SQL + " AND anonymous_id = 'nobody'"
    found = read_arrivals(source, metric, spec_of("bool"), now=NOW, clock_since=NOW)
    assert found.exposures == Stream(0, None, 0, 0, 0)
    assert found.matched_30d == 0
    assert read_shown(source, metric, spec_of("bool"), began=[NOW - WINDOW, NOW], now=NOW) == []
