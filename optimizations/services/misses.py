"""Look-ups that found nothing, and which of them may ask the database again."""

import threading
import time

PER_SECOND, BURST = 20.0, 20.0
KNOWN = 10_000


class Misses:
    """Nobody drives the database by guessing ids: what is known to be missing is not asked for, nor much at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens, self._at = BURST, time.monotonic()
        self._known: set[object] = set()

    def may_ask(self, key: object) -> bool:
        if key in self._known:
            return False
        with self._lock:
            now = time.monotonic()
            self._tokens = min(BURST, self._tokens + (now - self._at) * PER_SECOND)
            self._at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def remember(self, key: object) -> None:
        """It was asked for in vain. If it is made later, the regular poll brings it."""
        if len(self._known) >= KNOWN:
            self._known = set()
        self._known.add(key)
