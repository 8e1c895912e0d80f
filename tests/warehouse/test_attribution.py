"""The statements against a reference that loops over events, on data made to collide."""

import datetime as dt
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from levered_site.organizations.models import Organization
from tests.conftest import Tenant
from tests.warehouse import reference
from tests.warehouse.reference import Seen, Won
from warehouse.models import Exposure, Metric, Reward
from warehouse.services.catalog import metric_for_event
from warehouse.services.observations import ReadSpec, read_arms, read_cells, read_delays
from warehouse.services.sources import default_source

NOW = dt.datetime(2026, 3, 10, 12, 0, tzinfo=dt.UTC)
WINDOW = dt.timedelta(hours=2)
MICRO = dt.timedelta(microseconds=1)
LIMIT = 1 << 31


def store(organization: Organization, optimization_id: UUID, exposures: list[Seen], rewards: list[Won]) -> None:
    Exposure.objects.bulk_create(
        Exposure(
            organization=organization,
            optimization_id=optimization_id,
            anonymous_id=s.uid,
            timestamp=s.at,
            variant={"cta": s.variant},
            context={} if s.context is None else {"device": s.context},
        )
        for s in exposures
    )
    Reward.objects.bulk_create(
        Reward(organization=organization, anonymous_id=w.uid, timestamp=w.at, name="buy", value=w.value)
        for w in rewards
    )


def spec_of(optimization_id: UUID, reward_type: str = "bool", **changes: Any) -> ReadSpec:
    fields: dict[str, Any] = {
        "optimization_id": optimization_id,
        "design": ("cta",),
        "context": ("device",),
        "reward_type": reward_type,
        "window_seconds": int(WINDOW.total_seconds()),
        "holdout_limit": LIMIT,
    }
    return ReadSpec(**(fields | changes))


def read(
    organization: Organization, metric: Metric, spec: ReadSpec
) -> dict[tuple[object, ...], tuple[int, float, float]]:
    cells = read_cells(default_source(organization), metric, spec, now=NOW)
    found = {(*c.design, *c.context, c.day, c.age_hours): (c.n, c.total, c.total_squares) for c in cells}
    assert len(found) == len(cells)
    return found


# Few users, few moments, and steps of one microsecond around the window: most examples have ties and boundaries.
moments = st.builds(
    lambda steps, hours, micros: (
        NOW - dt.timedelta(days=1) + steps * WINDOW / 2 + hours * dt.timedelta(hours=1) + micros * MICRO
    ),
    st.integers(0, 3),
    st.integers(0, 26),
    st.integers(-1, 1),
)
users = st.sampled_from(["ann", "bob", "çelik 'o\"x"])
seen = st.builds(Seen, users, moments, st.sampled_from(["a", "b", "B"]), st.sampled_from([None, "x", "y"]))
won = st.builds(Won, users, moments, st.sampled_from([0.25, 1.0, 3.0]))


@pytest.mark.django_db
class TestAgainstTheReference:
    @given(exposures=st.lists(seen, max_size=25), rewards=st.lists(won, max_size=25))
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @pytest.mark.parametrize("reward_type", ["bool", "numeric"])
    def test_cells_arms_and_delays(
        self, acme: Tenant, globex: Tenant, reward_type: str, exposures: list[Seen], rewards: list[Won]
    ) -> None:
        sums = reward_type == "numeric"
        optimization_id = uuid4()
        Reward.objects.all().delete()
        store(acme.organization, optimization_id, exposures, rewards)
        store(acme.organization, uuid4(), exposures, [])  # another optimization of the same users
        store(globex.organization, optimization_id, exposures, rewards)  # another tenant, same ids
        metric = metric_for_event(acme.organization, name="buy", reward_type=reward_type)  # type: ignore[arg-type]
        spec = spec_of(optimization_id, reward_type)
        counted = rewards if sums else [Won(w.uid, w.at, 1.0) for w in rewards]
        expected = reference.cells(exposures, counted, WINDOW, NOW, sums=sums)
        assert read(acme.organization, metric, spec) == expected

        arms = read_arms(default_source(acme.organization), metric, spec, now=NOW)
        found = {(a.day, a.holdout): (a.users, a.total, a.total_squares) for a in arms}
        wanted = reference.arms(
            exposures, counted, WINDOW, NOW, sums=sums, optimization_id=optimization_id, limit=LIMIT
        )
        assert found == wanted

        delays = reference.delays(exposures, counted, WINDOW, NOW, sums=sums)
        assert read_delays(default_source(acme.organization), metric, spec, now=NOW) == delays
