"""Request counters of the hottest paths, and the two caches that hold all counters.

django-ratelimit counts everything else. Its bookkeeping costs 20 µs in one process and three round trips with Redis:
more than a whole answer of the serve path. Here it is one addition in memory, or one round trip.
"""

import ipaddress
import threading
import time
import zlib
from functools import lru_cache
from typing import Any, cast

import structlog
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.http import HttpRequest
from redis.exceptions import RedisError

from levered_site.api.throttling import client_ip

log = structlog.get_logger("levered.limits")
MAX_CLIENTS = 100_000
PAUSE_SECONDS = 5.0  # after a failure, before Redis is tried again: nobody waits for its time-out meanwhile
REPEAT_LOG_SECONDS = 60.0
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_IPV6_CLIENT = 64  # bits: one subscriber has a whole network of addresses


def seconds_to_wait(request: HttpRequest, group: str) -> int | None:
    """Counts this request of its client; None when it may pass, else the whole seconds until the next window."""
    limit, period = _limit(settings.RATE_LIMITS[group])
    client = _client(client_ip(request))
    now = int(time.time())
    # each client's windows begin at its own moment, so that not all of them begin together
    end = now + period - (now - zlib.crc32(client.encode())) % period
    count = cast("MemoryCounters | RedisCounters", caches["ratelimit"]).hit(f"{group}:{client}", end)
    return max(1, end - now) if count > limit else None


@lru_cache(maxsize=64)
def _limit(rate: str) -> tuple[int, int]:
    count, unit = rate.split("/")
    return int(count), _SECONDS[unit]


@lru_cache(maxsize=4096)
def _client(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network(f"{address}/{_IPV6_CLIENT}", strict=False).network_address)
    except ValueError:
        return address


class MemoryCounters(LocMemCache):
    """Counters of one process; exact there."""

    _counts: dict[str, tuple[int, int]] = {}
    _counting = threading.Lock()

    def hit(self, key: str, end: int) -> int:
        """Adds one to the key's count in the window that ends at `end` (Unix seconds), and returns it."""
        with self._counting:
            window, count = self._counts.get(key, (end, 0))
            count = count + 1 if window == end else 1
            self._counts[key] = end, count
            if len(self._counts) > MAX_CLIENTS:
                self._forget()
        return count

    def _forget(self) -> None:
        """Drops the windows that are over; should that not be enough, the longest known clients."""
        now = time.time()
        for key in [key for key, (end, _) in self._counts.items() if end <= now]:
            del self._counts[key]
        for key in list(self._counts)[: max(0, len(self._counts) - MAX_CLIENTS // 2)]:
            del self._counts[key]

    def clear(self) -> None:
        super().clear()
        with self._counting:
            self._counts.clear()


class _Pause:
    """Whether Redis is left alone for a moment, told once a minute."""

    def __init__(self) -> None:
        self.until = 0.0
        self.logged_at: float | None = None

    def begin(self, error: Exception) -> None:
        now = time.monotonic()
        self.until = now + PAUSE_SECONDS
        if self.logged_at is None or now - self.logged_at > REPEAT_LOG_SECONDS:
            self.logged_at = now
            log.error("rate_limits_not_counted", error=str(error), kind=type(error).__name__)

    @property
    def active(self) -> bool:
        return time.monotonic() < self.until

    def end(self) -> None:
        if self.logged_at is not None:
            self.logged_at = None
            log.info("rate_limits_counted_again")


class RedisCounters(RedisCache):
    """Counters that several processes share. While Redis does not answer, traffic passes and is not counted."""

    _pause = _Pause()

    def hit(self, key: str, end: int) -> int:
        """Adds one to the key's count in the window that ends at `end` (Unix seconds), and returns it; 0 if it cannot
        be counted."""
        if self._pause.active:
            return 0
        name = self.make_key(f"{key}:{end}")
        try:
            client = self._cache.get_client(name, write=True)
            count = int(client.incr(name))
            if count == 1:  # a second round trip once per client and window; a pipeline would cost three times as much
                client.expireat(name, end + 5)
        except (RedisError, OSError) as error:
            self._pause.begin(error)
            return 0
        self._pause.end()
        return count

    # django-ratelimit asks these two, and lets a request pass when they say "not added" and ValueError

    def add(self, key: Any, value: Any, timeout: Any = 300, version: Any = None) -> bool:
        if self._pause.active:
            return False
        try:
            return bool(super().add(key, value, timeout, version))
        except (RedisError, OSError) as error:
            self._pause.begin(error)
            return False

    def incr(self, key: Any, delta: int = 1, version: Any = None) -> int:
        if self._pause.active:
            raise ValueError(key)
        try:
            return int(super().incr(key, delta, version))
        except (RedisError, OSError) as error:
            self._pause.begin(error)
            raise ValueError(key) from error
