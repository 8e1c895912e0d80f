"""Counting requests: exact in one process, one round trip with Redis, and never a reason to refuse everyone."""

import secrets
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import structlog
import time_machine
from django.conf import LazySettings
from django.core.cache import caches
from django.test import RequestFactory

from levered_site.api import counters
from levered_site.api.counters import MemoryCounters, RedisCounters, seconds_to_wait
from levered_site.api.throttling import seconds_to_wait as counted_by_ratelimit

REDIS = "redis://127.0.0.1:6379/9"


def request_from(address: str) -> Any:
    return RequestFactory().post("/", REMOTE_ADDR=address)


@pytest.fixture(autouse=True)
def _limit(settings: LazySettings) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"serve": "100/m"}


def use(settings: LazySettings, url: str) -> None:
    settings.CACHES = settings.CACHES | {
        "ratelimit": {
            "BACKEND": "levered_site.api.counters.RedisCounters",
            "LOCATION": url,
            "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
        }
    }
    RedisCounters._pause = counters._Pause()


class TestMemory:
    def test_exactly_the_limit_passes_however_many_threads_ask(self) -> None:
        passed: list[bool] = []

        def ask() -> None:
            passed.extend(seconds_to_wait(request_from("192.0.2.1"), "serve") is None for _ in range(50))

        with time_machine.travel(1_800_000_000, tick=False):
            threads = [threading.Thread(target=ask) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert (len(passed), sum(passed)) == (400, 100)

    def test_a_new_window_after_the_told_seconds(self, settings: LazySettings) -> None:
        settings.RATE_LIMITS = {"serve": "1/m"}
        request = request_from("192.0.2.2")
        with time_machine.travel(1_800_000_000, tick=False) as clock:
            assert seconds_to_wait(request, "serve") is None
            wait = seconds_to_wait(request, "serve")
            assert wait is not None
            assert 1 <= wait <= 60
            clock.shift(wait - 1)
            assert seconds_to_wait(request, "serve") == 1
            clock.shift(1)
            assert seconds_to_wait(request, "serve") is None

    def test_clients_do_not_share_a_count_but_a_network_does(self, settings: LazySettings) -> None:
        settings.RATE_LIMITS = {"serve": "1/m"}
        with time_machine.travel(1_800_000_000, tick=False):
            assert seconds_to_wait(request_from("192.0.2.3"), "serve") is None
            assert seconds_to_wait(request_from("192.0.2.4"), "serve") is None
            assert seconds_to_wait(request_from("2001:db8::1"), "serve") is None
            assert seconds_to_wait(request_from("2001:db8::2"), "serve") is not None
            assert seconds_to_wait(request_from("2001:db8:1::2"), "serve") is None

    @pytest.mark.parametrize("address", ["unknown", "192.0.2.5:8080", "not:an:address", ""])
    def test_whatever_a_proxy_writes_is_a_client(self, address: str, settings: LazySettings) -> None:
        settings.TRUSTED_PROXIES = 1
        request = RequestFactory().post("/", headers={"x-forwarded-for": address})
        assert seconds_to_wait(request, "serve") is None

    def test_it_forgets_the_oldest_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(counters, "MAX_CLIENTS", 100)
        memory = MemoryCounters("test", {})
        memory.clear()
        with time_machine.travel(1_800_000_000, tick=False):
            for n in range(60):
                memory.hit(f"over-{n}", 1_799_999_999)
            for n in range(60):
                assert memory.hit(f"now-{n}", 1_800_000_060) == 1
            assert not [key for key in memory._counts if key.startswith("over")]
            for n in range(60):
                assert memory.hit(f"now-{n}", 1_800_000_060) == 2
            for n in range(60, 150):
                memory.hit(f"now-{n}", 1_800_000_060)
            assert memory.hit("now-149", 1_800_000_060) == 2
            assert len(memory._counts) <= 100


class TestRedis:
    @pytest.mark.redis
    def test_processes_share_the_count_in_one_round_trip(
        self, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = settings.REDIS_URL or REDIS
        server = redis.Redis.from_url(url)
        try:
            server.ping()
        except redis.RedisError:
            pytest.skip("no Redis answers")
        use(settings, url)
        settings.RATE_LIMITS = {"serve": "2/m"}
        group = f"serve:2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::"
        request = request_from(group.removeprefix("serve:") + "1")
        assert seconds_to_wait(request, "serve") is None  # and it is connected now
        sent: list[bytes] = []
        original = redis.connection.AbstractConnection.send_packed_command

        def spy(self: Any, command: Any, *args: Any, **kwargs: Any) -> Any:
            sent.append(command)
            return original(self, command, *args, **kwargs)

        monkeypatch.setattr(redis.connection.AbstractConnection, "send_packed_command", spy)
        assert seconds_to_wait(request, "serve") is None
        assert len(sent) == 1
        assert seconds_to_wait(request, "serve") is not None
        [key] = server.keys("*2001:db8:*")
        assert 0 < server.ttl(key) <= 66
        server.delete(key)
        server.close()
        caches["ratelimit"].close()


class TestRedisDown:
    @pytest.fixture
    def silent_port(self) -> Iterator[int]:
        """Takes connections and never answers."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            yield listener.getsockname()[1]

    @pytest.fixture
    def closed_port(self) -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port: int = listener.getsockname()[1]
        return port

    def test_traffic_passes_and_a_line_says_so(self, closed_port: int, settings: LazySettings) -> None:
        use(settings, f"redis://127.0.0.1:{closed_port}/0")
        settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, "1/m")
        with structlog.testing.capture_logs() as logs:
            for _ in range(5):
                assert seconds_to_wait(request_from("192.0.2.1"), "serve") is None
                assert counted_by_ratelimit(request_from("192.0.2.1"), "api") is None
        assert [entry["event"] for entry in logs] == ["rate_limits_not_counted"]

    def test_one_request_waits_for_a_silent_one_not_all(self, silent_port: int, settings: LazySettings) -> None:
        import time

        use(settings, f"redis://127.0.0.1:{silent_port}/0")
        started = time.monotonic()
        for _ in range(20):
            assert seconds_to_wait(request_from("192.0.2.1"), "serve") is None
        assert time.monotonic() - started < 4
        caches["ratelimit"].close()
