"""The contexts of a new version, built before anybody asks for them."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

import structlog

from optimizations.services.snapshot import Codes, Snapshot

log = structlog.get_logger("levered.serving")

SECONDS_AHEAD = 0.2  # spent on a version's contexts before it is served; the rest is built while it is
MOST_VARIANTS_AHEAD = 1000  # beyond, one context alone may take longer than that


class ContextBuilder:
    """Builds on a thread of its own: a large design's contexts take seconds, which must not delay the next poll.

    Args:
        is_outdated: whether a newer snapshot has taken the place of one.
    """

    def __init__(self, is_outdated: Callable[[Snapshot], bool]) -> None:
        self._is_outdated = is_outdated
        self._waiting: SimpleQueue[tuple[Snapshot, Codes] | None] = SimpleQueue()

    def start(self) -> None:
        threading.Thread(target=self._run, name="snapshot-contexts", daemon=True).start()

    def stop(self) -> None:
        self._waiting.put(None)

    def prepare(self, snapshot: Snapshot, *, ahead: bool) -> None:
        """Queues the contexts that will be asked for; `ahead`: builds some of them right now, for a short while."""
        cells = snapshot.worth_building()
        if ahead and len(snapshot.config.allowed) <= MOST_VARIANTS_AHEAD:
            until = time.monotonic() + SECONDS_AHEAD
            while cells and time.monotonic() < until:
                snapshot.cell(cells.pop(0))
        for codes in cells:
            self._waiting.put((snapshot, codes))

    def _run(self) -> None:
        while (task := self._waiting.get()) is not None:
            snapshot, codes = task
            try:
                if not self._is_outdated(snapshot):
                    snapshot.cell(codes)
            except Exception:
                log.exception("context_not_built", optimization_id=snapshot.id, codes=codes)
