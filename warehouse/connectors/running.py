"""Bounds in time: a query that takes too long, or that somebody cancels, is stopped where it runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from levered_site.errors import Unavailable


class Stopped:
    """Whether a query was stopped, and why."""

    def __init__(self, seconds: float) -> None:
        self.late = f"The query did not end within {seconds:g} seconds."
        self.reason: str | None = None
        self.lock = threading.Lock()

    def told(self) -> Unavailable:
        return Unavailable(self.reason or self.late)


class Running:
    """The queries of one connector that run at this moment. Safe from any thread."""

    def __init__(self) -> None:
        self._stops: dict[Stopped, Callable[[], object]] = {}

    @contextmanager
    def bounded(self, stop: Callable[[], object], seconds: float, *, grace: float = 0) -> Iterator[Stopped]:
        """Calls `stop` from another thread when the block takes longer; `grace` leaves the warehouse's own limit first.

        `stop` makes the call that waits in the block fail. It is never called after the block, but maybe twice: a
        warehouse that has not taken the query in yet has nothing to stop.
        """
        stopped = Stopped(seconds)
        timer = threading.Timer(seconds + grace, self._stop, (stopped, stopped.late))
        timer.daemon = True
        self._stops[stopped] = stop
        timer.start()
        try:
            yield stopped
        finally:
            timer.cancel()
            with stopped.lock:
                self._stops.pop(stopped, None)

    def cancel(self) -> None:
        for stopped in list(self._stops):
            self._stop(stopped, "The query was cancelled.")

    def _stop(self, stopped: Stopped, reason: str) -> None:
        with stopped.lock:
            if stop := self._stops.get(stopped):
                stopped.reason = stopped.reason or reason
                stop()
