"""Storing events once, whoever else writes at the same time. Real databases: a SQLite file, and PostgreSQL."""

import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from levered_site import settings
from levered_site.errors import Unavailable
from levered_site.organizations.models import Organization
from levered_site.organizations.services import create_organization
from warehouse.models import Exposure, Reward
from warehouse.services.events import FEW, store_exposures, store_rewards
from warehouse.services.incoming import NewExposure, NewReward

THREADS = 6  # below the size of the connection pool, with one left for the test itself


@pytest.fixture
def sqlite_file(transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The default database is a migrated file with the product's own settings: threads really share it."""
    file = tmp_path / "events.sqlite3"
    options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": _sqlite_init()}
    database = connections.settings["default"] | {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "OPTIONS": options,
    }
    monkeypatch.setitem(connections.settings, "default", database)
    before = connections["default"]
    del connections["default"]
    call_command("migrate", verbosity=0)
    yield file
    connections["default"].close()
    connections["default"] = before


def _sqlite_init() -> str:
    options = settings.DATABASES["default"].get("OPTIONS", {})
    return str(options.get("init_command", "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"))


@pytest.fixture
def postgresql(transactional_db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("DATABASE_URL names no PostgreSQL server")


@pytest.fixture(params=["sqlite_file", pytest.param("postgresql", marks=pytest.mark.postgres)])
def shared_database(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(request.param)


def exposure(key: str | None = None, **fields: Any) -> NewExposure:
    values = {"anonymous_id": "u", "optimization_id": uuid4(), "variant": {"a": "b"}} | fields
    return NewExposure(idempotency_key=key, **values)


def in_threads(work: Callable[[int], int]) -> list[int]:
    """The results of `work` in all threads, which start it in the same moment."""
    together = Barrier(THREADS)

    def run(number: int) -> int:
        together.wait()
        try:
            return work(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(run, range(THREADS)))


@pytest.mark.django_db(transaction=True)  # in plain sight: the test database is made for those who name it here
@pytest.mark.usefixtures("shared_database")
class TestConcurrency:
    def test_the_same_keys_are_stored_once_and_counted(self) -> None:
        acme, globex = create_organization(name="Acme"), create_organization(name="Globex")
        store_exposures(globex, [exposure("5"), exposure("6")], received_at=timezone.now())
        keys = [str(i) for i in range(300)]

        def work(number: int) -> int:
            order = random.Random(number).sample(keys, len(keys))
            duplicates = 0
            size = (FEW, FEW // 2)[number % 2]  # with the one below: both ways of writing meet
            for start in range(0, len(order), size):  # batches overlap between threads in every possible order
                batch = [exposure(key, anonymous_id=f"thread {number}") for key in order[start : start + size]]
                duplicates += store_exposures(acme, [*batch, exposure(None)], received_at=timezone.now())
            return duplicates

        duplicates = in_threads(work)
        stored = list(Exposure.objects.filter(organization=acme).values_list("idempotency_key", flat=True))
        counts = Counter(stored)
        assert counts.pop(None) == THREADS // 2 * (6 + 12)
        assert counts == dict.fromkeys(keys, 1)
        assert sum(duplicates) == (THREADS - 1) * len(keys)

    def test_one_batch_sent_by_all_at_once(self) -> None:
        acme = create_organization(name="Acme")
        batch = [NewReward(anonymous_id=str(i), name="sale", idempotency_key=f"k{i % 80}") for i in range(100)]
        duplicates = in_threads(lambda _: store_rewards(acme, batch, received_at=timezone.now()))
        assert sorted(duplicates) == [20] + [100] * (THREADS - 1)
        stored = Reward.objects.filter(organization=acme)
        assert stored.count() == 80
        assert stored.get(idempotency_key="k7").anonymous_id == "7"  # the first of the two


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shared_database")
class TestValues:
    @pytest.mark.parametrize("others", [0, 2 * FEW])  # alone, and in a batch that is copied
    def test_hostile_texts_come_back_unchanged(self, others: int) -> None:
        acme = create_organization(name="Acme")
        texts = ["a\tb\nc\r\\N \\. \\", "'; DROP TABLE managed_rewards; --", '"quoted"', "%s {} ?1", "\x01\x7f", "🙂é"]
        events = [exposure(t, anonymous_id=t, variant={t: t}, context={"nested": {t: [t, None]}}) for t in texts]
        events += [exposure(f"other {i}") for i in range(others)]
        assert store_exposures(acme, events, received_at=timezone.now()) == 0
        assert Exposure.objects.count() == len(texts) + others
        for text in texts:
            row = Exposure.objects.get(idempotency_key=text)
            assert (row.anonymous_id, row.variant, row.context) == (
                text,
                {text: text},
                {"nested": {text: [text, None]}},
            )

    def test_an_empty_batch_needs_no_database(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert store_exposures(Organization(), [], received_at=timezone.now()) == 0

    def test_what_breaks_in_the_middle_leaves_nothing(self) -> None:
        """Not only a dead database: whatever stops a batch takes all of it back."""
        acme = create_organization(name="Acme")
        broken = NewReward(anonymous_id="u", name="n")
        broken.name = None  # type: ignore[assignment]
        with pytest.raises(Exception, match="name"):
            store_rewards(acme, [NewReward(anonymous_id="u", name="n"), broken], received_at=timezone.now())
        assert not Reward.objects.exists()


def test_a_locked_sqlite_file_is_unavailable(sqlite_file: Path) -> None:
    acme = create_organization(name="Acme")
    other = sqlite3.connect(sqlite_file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 50")
    with pytest.raises(Unavailable):
        store_exposures(acme, [exposure("a")], received_at=timezone.now())
    other.execute("ROLLBACK")
    other.close()
    assert not Exposure.objects.exists()
    assert store_exposures(acme, [exposure("a")], received_at=timezone.now()) == 0


@pytest.mark.postgres
def test_a_lost_postgresql_connection_is_unavailable(postgresql: None) -> None:
    acme = create_organization(name="Acme")
    store_exposures(acme, [exposure("a")], received_at=timezone.now())
    parameters = connection.get_connection_params()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    address = {name: parameters[name] for name in ("host", "port", "user", "password", "dbname") if name in parameters}
    with psycopg.connect(**address) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    with pytest.raises(Unavailable):
        store_exposures(acme, [exposure("b")], received_at=timezone.now())
    connection.close()
    assert list(Exposure.objects.values_list("idempotency_key", flat=True)) == ["a"]
    assert store_exposures(acme, [exposure("a"), exposure("b")], received_at=timezone.now()) == 1
