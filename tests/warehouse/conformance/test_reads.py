"""The numbers that training and results read: from every warehouse those of the reference, to the last bit."""

import datetime as dt
import hashlib
import json
import math
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from tests.conftest import Tenant
from tests.warehouse import reference
from tests.warehouse.conformance.events import CHANGED, NOW, WINDOW, Rewarded, draw
from tests.warehouse.conformance.stages import SEEN_SQL, WON_SQL
from tests.warehouse.reference import Seen, Won
from warehouse.connectors.base import Connector
from warehouse.mapping import LARGEST_VALUE
from warehouse.models import AssignmentSource, Exposure, Metric, Reward
from warehouse.services import reading
from warehouse.services.observations import Cell, ReadSpec, read_arms, read_cells, read_delays
from warehouse.sql.attribution import CAP_QUANTILE, CAP_QUANTILE_OF_POSITIVE

OPTIMIZATION = UUID("1bd1a1b3-4a2c-4f6e-9b1a-0c8f6f1d2e3a")
LIMITS = (1 << 31, 1 << 30)  # before and after the change
WEIGHTS = {"signup": 1.0, "buy": 10.0, "refund": -4.0}
MAPPING = {"anonymous_id": "user_id", "timestamp": "happened_at"}
MAPPINGS: dict[str, dict[str, Any]] = {
    "bool": {**MAPPING, "reward_type": "bool", "value": "value"},
    "numeric": {**MAPPING, "reward_type": "numeric", "value": "value"},
    "outcomes": {
        **MAPPING, "reward_type": "bool", "name": "name",
        "outcomes": [{"key": k, "weight": w, "match": {"by": "name", "value": k}} for k, w in WEIGHTS.items()],
    },
}  # fmt: skip
IN_JSON = {"anonymous_id": "anonymous_id", "timestamp": "shown_at", "variant": "variant", "context": "context"}
IN_COLUMNS = {"anonymous_id": "anonymous_id", "timestamp": "shown_at", "factors": {"cta": "cta"}}
MANAGED_SEEN = {"anonymous_id": "anonymous_id", "timestamp": "timestamp", "variant": "variant", "context": "context"}


def spec_of(kind: str) -> ReadSpec:
    return ReadSpec(
        optimization_id=OPTIMIZATION,
        design=("cta",),
        context=("device",),
        reward_type="numeric" if kind == "numeric" else "bool",
        window_seconds=int(WINDOW.total_seconds()),
        holdout_limit=LIMITS[0],
        holdout_changes=((CHANGED, LIMITS[1]),),
    )


def counted(rewards: Sequence[Rewarded], kind: str) -> list[Won]:
    """The rows that count, with what they count."""
    if kind == "numeric":
        return [Won(r.anonymous_id, r.at, r.value) for r in rewards if r.value <= LARGEST_VALUE]
    if kind == "bool":
        return [Won(r.anonymous_id, r.at, 1.0) for r in rewards if r.value > 0]
    return [Won(r.anonymous_id, r.at, WEIGHTS[r.name]) for r in rewards if r.name in WEIGHTS]


def expected(kind: str) -> dict[str, Any]:
    exposures, rewards = draw(1)
    seen = [Seen(e.anonymous_id, e.at, e.cta, e.device) for e in exposures]
    won, sums = counted(rewards, kind), kind == "numeric"
    limits = [(dt.datetime.min.replace(tzinfo=dt.UTC), LIMITS[0]), (CHANGED, LIMITS[1])]
    return {
        "cells": reference.cells(seen, won, WINDOW, NOW, sums=sums),
        "arms": reference.regimes(
            seen, won, WINDOW, NOW, sums=sums, optimization_id=OPTIMIZATION, limits=limits
        ),
        "delays": reference.delays(seen, won, WINDOW, NOW, sums=sums),
    }  # fmt: skip


def read(source: AssignmentSource, metric: Metric, kind: str) -> tuple[dict[str, Any], list[Cell]]:
    spec = spec_of(kind)
    cells = read_cells(source, metric, spec, now=NOW)
    arms = read_arms(source, metric, spec, now=NOW)
    found = {
        "cells": {(*c.design, *c.context, c.day, c.age_hours): (c.n, c.total, c.total_squares) for c in cells},
        "arms": {(a.day, a.regime, a.holdout): (a.users, a.total, a.total_squares) for a in arms},
        "delays": read_delays(source, metric, spec, now=NOW),
    }
    assert len(found["cells"]) == len(cells)
    assert len(found["arms"]) == len(arms)
    return found, cells


def checksum(numbers: dict[str, Any]) -> str:
    told = {
        key: sorted(map(repr, value.items())) if isinstance(value, dict) else value for key, value in numbers.items()
    }
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def reads_from(connector: Connector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "connector_of", lambda organization: connector)


@pytest.mark.django_db
@pytest.mark.parametrize("kind", MAPPINGS)
class TestTheSameNumbers:
    @pytest.mark.parametrize("mapping", [IN_JSON, IN_COLUMNS], ids=["json", "columns"])
    def test_from_a_customers_warehouse(
        self, stage: Any, acme: Tenant, monkeypatch: pytest.MonkeyPatch, kind: str, mapping: dict[str, Any]
    ) -> None:
        reads_from(stage.connector(), monkeypatch)
        source = AssignmentSource(organization=acme.organization, sql=SEEN_SQL, column_mapping=mapping)
        metric = Metric(organization=acme.organization, sql=WON_SQL, column_mapping=MAPPINGS[kind])
        self.check(source, metric, kind)

    def test_from_the_managed_one(self, acme: Tenant, globex: Tenant, kind: str) -> None:
        exposures, rewards = draw(1)
        for tenant in (acme, globex):
            Exposure.objects.bulk_create(
                Exposure(
                    organization=tenant.organization, optimization_id=OPTIMIZATION, anonymous_id=e.anonymous_id,
                    timestamp=e.at, variant={"cta": e.cta}, context={} if e.device is None else {"device": e.device},
                )
                for e in exposures
            )  # fmt: skip
            Reward.objects.bulk_create(
                Reward(
                    organization=tenant.organization,
                    anonymous_id=r.anonymous_id,
                    timestamp=r.at,
                    name=r.name,
                    value=r.value,
                )
                for r in rewards
            )
        mapping = MAPPINGS[kind] | {"anonymous_id": "anonymous_id", "timestamp": "timestamp"}
        source = AssignmentSource(
            organization=acme.organization, sql="SELECT * FROM exposures", column_mapping=MANAGED_SEEN
        )
        metric = Metric(organization=acme.organization, sql="SELECT * FROM rewards", column_mapping=mapping)
        self.check(source, metric, kind)

    def check(self, source: AssignmentSource, metric: Metric, kind: str) -> None:
        found, cells = read(source, metric, kind)
        wanted = expected(kind)
        assert found == wanted
        assert checksum(found) == checksum(wanted)
        assert {regime for _, regime, _ in found["arms"]} == {0, 1}
        assert {a for *_, a in found["cells"]} > {None}  # open windows, too
        cap = self.cap(kind) if kind == "numeric" else math.inf
        assert sum(c.capped_total for c in cells) == self.capped(kind, cap)

    def cap(self, kind: str) -> float:
        """The 99.5 % quantile of matured exposures' rewards, or the 95 % one of those above zero."""
        mature = sorted(y for at, y in self.ys(kind) if at + WINDOW <= NOW)
        positive = [y for y in mature if y > 0]
        of_all = mature[math.ceil(len(mature) * CAP_QUANTILE) - 1]
        return of_all or positive[math.ceil(len(positive) * CAP_QUANTILE_OF_POSITIVE) - 1]

    def capped(self, kind: str, cap: float) -> float:
        return math.fsum(min(y, cap) for _, y in self.ys(kind))

    def ys(self, kind: str) -> list[tuple[dt.datetime, float]]:
        exposures, rewards = draw(1)
        seen = [Seen(e.anonymous_id, e.at, e.cta, e.device) for e in exposures if e.at <= NOW]
        won = [w for w in counted(rewards, kind) if w.at <= NOW]
        return [(s.at, y) for s, y, _ in reference.credited(seen, won, WINDOW, sums=kind == "numeric")]


@pytest.mark.django_db
def test_the_holdout_is_the_published_hash(stage: Any, acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a limit that is no round number, and users whose names no collation sorts alike."""
    reads_from(stage.connector(), monkeypatch)
    exposures, _ = draw(1)
    uids = {e.anonymous_id for e in exposures if e.at + WINDOW <= NOW}
    source = AssignmentSource(organization=acme.organization, sql=SEEN_SQL, column_mapping=IN_JSON)
    metric = Metric(organization=acme.organization, sql=WON_SQL, column_mapping=MAPPINGS["bool"])
    for limit in (0, 0x0A3D70A3, 0x99999999, 1 << 32):
        spec = spec_of("bool")
        arms = read_arms(
            source, metric, ReadSpec(**{**vars(spec), "holdout_limit": limit, "holdout_changes": ()}), now=NOW
        )
        held = sum(reference.held_out(OPTIMIZATION, uid, limit) for uid in uids)
        assert sum(a.users for a in arms if a.holdout) == held
        assert sum(a.users for a in arms) == len(uids)
