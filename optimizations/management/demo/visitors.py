"""Simulated visitors: each is served by the public endpoint, sends its exposure and perhaps, later, a reward."""

import datetime as dt
import heapq
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from optimizations.management.demo.client import Api
from optimizations.management.demo.world import Visit, World

BATCH = 500
THREADS = 4


class Visitors:
    def __init__(self, api: Api, world: World, optimization_id: str) -> None:
        self._api, self._world, self._id = api, world, optimization_id
        self._due: list[tuple[dt.datetime, str, str]] = []  # events to come, earliest first
        self._pool = ThreadPoolExecutor(THREADS)

    def come(self, visits: Sequence[Visit]) -> None:
        """Serves the visits and reports their exposures; what they do next waits until it is due."""
        variants = list(self._pool.map(self._serve, visits))
        self._send(
            "exposures",
            [
                {
                    "anonymous_id": v.anonymous_id,
                    "optimization_id": self._id,
                    "variant": variant,
                    "context": v.context,
                    "timestamp": v.at.isoformat(),
                    "idempotency_key": f"{v.anonymous_id}-{v.at.timestamp()}",
                }
                for v, variant in zip(visits, variants, strict=True)
            ],
        )
        for visit, variant in zip(visits, variants, strict=True):
            for at, name in self._world.events(visit, variant):
                heapq.heappush(self._due, (at, visit.anonymous_id, name))

    def act(self, *, until: dt.datetime) -> None:
        """Reports the events that have happened by now."""
        happened = []
        while self._due and self._due[0][0] <= until:
            at, anonymous_id, name = heapq.heappop(self._due)
            happened.append({"anonymous_id": anonymous_id, "name": name, "timestamp": at.isoformat()})
        self._send("rewards", happened)

    def _serve(self, visit: Visit) -> dict[str, str]:
        body = {"anonymous_id": visit.anonymous_id, "context": visit.context}
        answer = self._api.call("POST", f"/optimizations/{self._id}/serve", body, address=visit.address)
        props: dict[str, str] = answer["variants"][0]["props"]
        return props

    def _send(self, kind: str, events: list[dict[str, Any]]) -> None:
        for batch in _batches(events):
            self._api.call("POST", f"/ingest/{kind}", {"events": batch})


def _batches(events: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    return (events[i : i + BATCH] for i in range(0, len(events), BATCH))
