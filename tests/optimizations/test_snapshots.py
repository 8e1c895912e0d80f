import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from django.conf import LazySettings
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from bandits.thompson import SlotTable, UniformTable, WinnerTable
from levered_site.errors import Unavailable
from optimizations.models import Optimization
from optimizations.services import loading
from optimizations.services.snapshot import Snapshot
from optimizations.services.snapshots import SnapshotStore
from optimizations.states import Status
from tests.conftest import Tenant
from tests.serving import NAMES, config_of, factor, fitted, make_optimization, move, publish_version

Logs = list[Any]


@pytest.fixture
def logs() -> Iterator[Logs]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def store() -> Iterator[SnapshotStore]:
    made = SnapshotStore()
    yield made
    made.stop()


def found(store: SnapshotStore, optimization: Optimization) -> Snapshot:
    snapshot = store.find(str(optimization.pk))
    assert snapshot is not None
    return snapshot


def until(condition: Callable[[], Any], seconds: float = 10.0) -> float:
    """Waits until the condition holds; returns how long that took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not happen in time"
        time.sleep(0.005)
    return time.monotonic() - started


@pytest.mark.django_db
class TestLoading:
    def test_the_policy_follows_the_lifecycle(self, store: SnapshotStore, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        assert isinstance(found(store, optimization).policy, UniformTable)
        publish_version(optimization)
        store.refresh()
        assert isinstance(found(store, optimization).policy, SlotTable)
        assert found(store, optimization).holdout_limit > 0
        move(optimization, Status.COMPLETED)
        store.refresh()
        assert isinstance(found(store, optimization).policy, WinnerTable)
        assert found(store, optimization).holdout_limit == 0
        move(optimization, Status.ARCHIVED)
        store.refresh()
        assert store.find(str(optimization.pk)) is None
        assert store.find_live(frozenset(NAMES)) == ()

    def test_only_what_was_published_is_loaded_again(self, store: SnapshotStore, acme: Tenant) -> None:
        first, second = make_optimization(acme.organization), make_optimization(acme.organization)
        before = found(store, first), found(store, second)
        publish_version(second)
        store.refresh()
        assert found(store, first) is before[0]
        assert found(store, second) is not before[1]
        assert found(store, second).version == 1

    def test_an_unchanged_revision_costs_one_query(self, store: SnapshotStore, acme: Tenant) -> None:
        found(store, make_optimization(acme.organization))
        with CaptureQueriesContext(connection) as queries:
            store._load(sweep=False)
        assert len(queries) == 1

    def test_a_rename_reads_no_posterior(self, store: SnapshotStore, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        publish_version(optimization)
        before = found(store, optimization)
        move(optimization, Status.LIVE)  # published again, nothing changed
        with CaptureQueriesContext(connection) as queries:
            store.refresh()
        assert not any("blob" in q["sql"] for q in queries)
        assert found(store, optimization).revision > before.revision
        assert found(store, optimization).policy is before.policy

    def test_bias_reaches_the_policy(self, store: SnapshotStore, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        posterior = fitted(config_of(optimization), best=3, exposures=2000)
        publish_version(optimization, posterior=posterior)
        plain = found(store, optimization).policy.shares((0,))
        publish_version(optimization, posterior=posterior, bias={"headline": 2.0})
        store.refresh()
        biased = found(store, optimization).policy.shares((0,))
        assert plain[3] > 0.99
        assert biased[3] < 0.9

    def test_the_logged_shares_are_those_served(self, store: SnapshotStore, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        logged = publish_version(optimization, best=2, exposures=25)
        policy = found(store, optimization).policy
        for codes, slots in logged.shares:
            shares = policy.shares(tuple(codes))
            assert {v: n / policy.slots for v, n in slots} == {v: s for v, s in enumerate(shares) if s}

    def test_deleted_rows_are_noticed(self, store: SnapshotStore, acme: Tenant, globex: Tenant) -> None:
        optimization, other = make_optimization(acme.organization), make_optimization(globex.organization)
        found(store, optimization)
        Optimization.objects.filter(pk=optimization.pk).delete()
        store.refresh()
        assert store.find(str(optimization.pk)) is None
        found(store, other)

    def test_a_restored_database_is_noticed(self, store: SnapshotStore, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        publish_version(optimization)
        assert found(store, optimization).version == 1
        # as in a backup from before the training
        loading.ServingRevision.objects.update(number=1)
        Optimization.objects.filter(pk=optimization.pk).update(serving_revision=1)
        optimization.models.update(version=0)
        store._load(sweep=False)
        assert found(store, optimization).version == 0

    @pytest.mark.parametrize("damage", [b"", b"nonsense", b"LVRDPOST" + b"\0" * 60])
    def test_an_unreadable_posterior_leaves_the_last_good_one(
        self, store: SnapshotStore, acme: Tenant, logs: Logs, damage: bytes
    ) -> None:
        optimization = make_optimization(acme.organization)
        publish_version(optimization, best=3)
        assert found(store, optimization).version == 1
        publish_version(optimization, blob=damage)
        store.refresh()
        assert found(store, optimization).version == 1
        assert [e["version"] for e in logs if e["event"] == "posterior_unreadable"] == [2]
        publish_version(optimization, best=4)
        store.refresh()
        assert found(store, optimization).version == 3

    def test_a_fresh_process_takes_the_newest_readable_one(
        self, acme: Tenant, store: SnapshotStore, logs: Logs
    ) -> None:
        optimization = make_optimization(acme.organization)
        publish_version(optimization, best=3)
        publish_version(optimization, blob=b"damaged")
        assert found(store, optimization).version == 1

    def test_a_posterior_of_another_design_is_refused(self, store: SnapshotStore, acme: Tenant, logs: Logs) -> None:
        optimization = make_optimization(acme.organization)
        other = make_optimization(acme.organization, design=[factor("x", ["a", "b", "c"])])
        publish_version(optimization, blob=fitted(config_of(other)).to_bytes())
        assert not found(store, optimization).ready
        assert any(e["event"] == "posterior_unreadable" for e in logs)

    def test_one_bad_optimization_does_not_hide_the_others(
        self, store: SnapshotStore, acme: Tenant, logs: Logs
    ) -> None:
        bad, good = make_optimization(acme.organization), make_optimization(acme.organization)
        Optimization.objects.filter(pk=bad.pk).update(training_data_config={"design_factors": "broken"})
        assert found(store, good)
        assert store.find(str(bad.pk)) is None
        assert any(e["event"] == "snapshot_failed" for e in logs)

    def test_a_context_is_built_once_however_many_ask(
        self, store: SnapshotStore, acme: Tenant, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        snapshot = found(store, make_optimization(acme.organization))
        built: list[Any] = []
        original = UniformTable.shares

        def slow(self: UniformTable, context: tuple[int, ...]) -> Any:
            built.append(context)
            time.sleep(0.1)
            return original(self, context)

        monkeypatch.setattr(UniformTable, "shares", slow)
        threads = [threading.Thread(target=snapshot.cell, args=((0,),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert built == [(0,)]

    def test_a_thousand_contexts_stay_bounded(self, store: SnapshotStore, acme: Tenant) -> None:
        many = [factor(f"c{i}", [f"l{j}" for j in range(12)]) for i in range(3)]
        optimization = make_optimization(acme.organization, context=many)
        snapshot = found(store, optimization)
        for n in range(1500):
            snapshot.cell((n % 12, n // 12 % 12, n // 144 % 12))
        assert len(snapshot._cells) <= 1024


@pytest.mark.django_db(transaction=True)
class TestPoller:
    """The real thread on a real database: what another connection commits is seen without a request asking."""

    @pytest.fixture(autouse=True)
    def _polling(self, settings: LazySettings) -> None:
        settings.SNAPSHOT_POLL_SECONDS = 0.1

    def test_a_publication_is_seen_without_a_request(self, store: SnapshotStore, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        store.start()
        assert found(store, optimization).version == 0
        publish_version(optimization)
        assert until(lambda: found(store, optimization).version == 1) < 1.0

    def test_a_miss_waits_for_a_fresh_poll(self, store: SnapshotStore, acme: Tenant, settings: LazySettings) -> None:
        settings.SNAPSHOT_POLL_SECONDS = 30
        store.start()
        optimization = make_optimization(acme.organization)
        started = time.monotonic()
        assert found(store, optimization)
        assert time.monotonic() - started < 1.0
        assert store.find_live(frozenset(NAMES))
        assert store.find_organization(acme.organization.publishable_key) == acme.organization.public_id

    def test_guessing_ids_does_not_drive_the_database(self, store: SnapshotStore, acme: Tenant) -> None:
        store.start()
        polls = store._done
        started = time.monotonic()
        for n in range(3000):
            assert store.find(f"{n:08}-0000-4000-8000-000000000000") is None
        elapsed = time.monotonic() - started
        assert store._done - polls <= 20 + 2 + elapsed * (20 + 10)

    def test_waiters_share_one_poll(
        self, store: SnapshotStore, acme: Tenant, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.SNAPSHOT_POLL_SECONDS = 30
        store.start()
        original, polls = store._load, []

        def slow(*, sweep: bool) -> None:
            polls.append(1)
            time.sleep(0.2)
            original(sweep=sweep)

        monkeypatch.setattr(store, "_load", slow)
        optimization = make_optimization(acme.organization)
        results: list[Snapshot | None] = []
        threads = [threading.Thread(target=lambda: results.append(store.find(str(optimization.pk)))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [r.uuid for r in results if r] == [optimization.pk] * 8
        assert len(polls) <= 2

    def test_a_dead_database_leaves_everything_served(
        self, store: SnapshotStore, acme: Tenant, logs: Logs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        optimization = make_optimization(acme.organization)
        publish_version(optimization)
        store.start()
        before = found(store, optimization)

        def dead() -> int:
            raise OperationalError("server closed the connection")

        with monkeypatch.context() as patch:
            patch.setattr(loading, "published_revision", dead)
            until(lambda: store._failing_since is not None)
            assert found(store, optimization) is before
            started = time.monotonic()
            with pytest.raises(Unavailable):
                store.find("00000000-0000-4000-8000-000000000000")
            assert time.monotonic() - started < 0.1
            time.sleep(0.5)
            publish_version(optimization, best=2)
        assert until(lambda: found(store, optimization).version == 2) < 1.0
        failures = [e for e in logs if e.get("error") == "server closed the connection"]
        assert len(failures) == 1
        assert any(e["event"] == "snapshots_refresh_again" for e in logs)

    def test_a_start_without_a_database_is_told(
        self, store: SnapshotStore, acme: Tenant, logs: Logs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        optimization = make_optimization(acme.organization)

        def dead() -> int:
            raise OperationalError("no route")

        with monkeypatch.context() as patch:
            patch.setattr(loading, "published_revision", dead)
            with pytest.raises(Unavailable):
                store.find(str(optimization.pk))
        until(lambda: store._loaded)
        assert found(store, optimization)

    def test_observed_contexts_are_built_before_they_are_asked_for(self, store: SnapshotStore, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        store.start()
        publish_version(optimization)
        until(lambda: found(store, optimization).version == 1)
        snapshot = found(store, optimization)
        until(lambda: len(snapshot._cells) == 3)  # mobile, desktop, and the average

    def test_a_forked_child_starts_its_own_thread(self, store: SnapshotStore, acme: Tenant) -> None:
        optimization = make_optimization(acme.organization)
        store.start()
        parent, parents_end = store._thread, store._stopping
        inherited = found(store, optimization)
        store._after_fork()  # what the interpreter calls in the child
        assert not store._started
        assert found(store, optimization) is inherited
        assert store._thread is not None
        assert store._thread is not parent
        assert store._thread.is_alive()
        parents_end.set()
