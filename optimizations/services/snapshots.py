"""The snapshots of this process, and the thread that keeps them fresh.

Requests read memory only. One daemon thread per process polls the one `ServingRevision` row and reloads what was
published since; a second one builds contexts. While the database does not answer, the last snapshots are served.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import OperationalError, connection

from levered_site.errors import Unavailable
from optimizations.services import loading
from optimizations.services.catalogue import Catalogue
from optimizations.services.context_builder import ContextBuilder
from optimizations.services.misses import Misses
from optimizations.services.snapshot import Snapshot

log = structlog.get_logger("levered.serving")
Found = TypeVar("Found")

SWEEP_SECONDS = 30.0  # between comparisons of everything, which also notice deleted rows and a restored database
FIRST_LOAD_SECONDS = 10.0
MISS_SECONDS = 1.0  # how long a look-up waits for the poll that it asked for
REPEAT_LOG_SECONDS = 60.0


class SnapshotStore:
    """Finds snapshots; keeps them fresh.

    With `SNAPSHOT_POLL_SECONDS` above 0 a thread of this process polls. With 0, as in tests, nothing runs beside the
    caller: a miss and `refresh()` read the database at once.
    """

    def __init__(self) -> None:
        self._after_fork()
        os.register_at_fork(after_in_child=self._after_fork)

    def _after_fork(self) -> None:
        """A child process has its parent's snapshots, but not its thread."""
        self._catalogue = getattr(self, "_catalogue", Catalogue())
        self._revision = getattr(self, "_revision", -1)
        self._swept_at = 0.0
        self._started = self._loaded = False
        self._failing_since: float | None = None
        self._logged_at = 0.0
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._loading = threading.RLock()
        self._turn = threading.Condition()
        self._begun = self._done = 0
        self._sweep_asked = False
        self._misses = Misses()
        self._builder = ContextBuilder(self._is_outdated)

    # --- look-ups: memory only ------------------------------------------------------------------------------------

    def find(self, optimization_id: str) -> Snapshot | None:
        """The snapshot of a live or completed optimization, by its id as canonical text."""
        if not self._started:
            self.start()
        found = self._catalogue.by_id.get(optimization_id)
        if found is not None:
            return found
        return self._after_miss(optimization_id, lambda: self._catalogue.by_id.get(optimization_id))

    def find_live(self, names: frozenset[str], organization_id: str | None = None) -> tuple[Snapshot, ...]:
        """Live optimizations, of one organization or of all, whose design factors have exactly these names.

        Newest first.
        """
        if not self._started:
            self.start()

        def look() -> tuple[Snapshot, ...] | None:
            found = self._catalogue.live_by_names.get(names, ())
            if organization_id is not None:
                found = tuple(s for s in found if s.organization_id == organization_id)
            return found or None

        return look() or self._after_miss((names, organization_id), look) or ()

    def find_organization(self, publishable_key: str) -> str | None:
        """The public id of the organization with this publishable key."""
        if not self._started:
            self.start()
        found = self._catalogue.organizations.get(publishable_key)
        if found is not None:
            return found
        return self._after_miss(publishable_key, lambda: self._catalogue.organizations.get(publishable_key))

    def _after_miss(self, key: object, look: Callable[[], Found | None]) -> Found | None:
        """Looks again after a fresh poll: another process may have made it a moment ago.

        Raises:
            Unavailable: it may exist, but the database does not tell.
        """
        if settings.SNAPSHOT_POLL_SECONDS <= 0:
            self.refresh()
            return look()
        if self._loaded and not self._misses.may_ask(key):
            return look()
        fresh = self._await_poll(MISS_SECONDS, sweep=True)
        found = look()
        if found is None:
            if not fresh:
                raise Unavailable("The database does not answer; please retry.")
            self._misses.remember(key)
        return found

    # --- freshness ------------------------------------------------------------------------------------------------

    def start(self, *, wait: float = FIRST_LOAD_SECONDS) -> None:
        """Starts this process's thread, unless it runs, and waits for its first load."""
        with self._turn:
            if self._started:
                return
            self._started = True
            if settings.SNAPSHOT_POLL_SECONDS <= 0:
                return
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)
            self._thread.start()
            self._builder.start()
            self._turn.wait_for(lambda: self._done > 0, wait)

    def stop(self) -> None:
        """Ends the thread and forgets everything."""
        thread = self._thread
        self._stopping.set()
        self._wake.set()
        self._builder.stop()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=10)
        self._catalogue, self._revision = Catalogue(), -1
        self._after_fork()

    def refresh(self) -> None:
        """Returns once everything published before the call is served.

        Raises:
            Unavailable: the database did not answer in time.
        """
        if self._thread is None or self._thread is threading.current_thread():
            self._load(sweep=True)
        elif not self._await_poll(FIRST_LOAD_SECONDS, sweep=True):
            raise Unavailable("The database does not answer; please retry.")

    def catch_up(self) -> None:
        """After a publication by this process: its next request sees what it has just been told. Never fails."""
        if self._thread is not None:
            self._await_poll(MISS_SECONDS, sweep=False)

    def _await_poll(self, seconds: float, *, sweep: bool) -> bool:
        """Waits for a poll that begins after this call, and tells whether it succeeded. Waiters share one poll."""
        with self._turn:
            if self._failing_since is not None:
                return False  # the thread tries by itself; a request does not wait for a dead database
            wanted = self._begun + 1
            self._sweep_asked = self._sweep_asked or sweep
            self._wake.set()
            done = self._turn.wait_for(lambda: self._done >= wanted or self._failing_since is not None, seconds)
            return done and self._failing_since is None

    def _run(self) -> None:
        stopping = self._stopping
        while not stopping.is_set():
            due = time.monotonic() + settings.SNAPSHOT_POLL_SECONDS
            self._wake.clear()
            self._poll()
            self._wake.wait(max(0.0, due - time.monotonic()))

    def _poll(self) -> None:
        """One turn of the thread. Whatever goes wrong, the last snapshots stay and the thread lives."""
        with self._turn:
            self._begun += 1
            turn = self._begun
            sweep, self._sweep_asked = self._sweep_asked, False
        try:
            _require_database_file()
            self._load(sweep=sweep)
        except Exception as error:
            self._note_failure(error)
        else:
            self._note_success()
        finally:
            # a kept connection could be a dead one, or hold a database file that was replaced
            try:
                connection.close()
            except Exception:
                log.warning("snapshot_connection_not_closed", exc_info=True)
            with self._turn:
                self._done = turn
                self._turn.notify_all()

    def _load(self, *, sweep: bool) -> None:
        """Reads what was published since the last time; `sweep` compares everything."""
        with self._loading:
            published = loading.published_revision()
            overdue = time.monotonic() - self._swept_at > SWEEP_SECONDS
            restored = published < self._revision  # from a backup: nothing in memory can be trusted to be in it
            sweep = sweep or overdue or restored or not self._loaded
            if not sweep and published == self._revision:
                return
            known = {snapshot.uuid: snapshot for snapshot in self._catalogue.by_id.values()}
            organizations: dict[str, str] | None = None
            gone: set[UUID] = set()
            if sweep:
                organizations = loading.publishable_keys()
                revisions = loading.revisions()
                changed = [
                    pk
                    for pk, number in revisions.items()
                    if restored or pk not in known or known[pk].revision != number
                ]
                gone = set(known) - set(revisions)
            else:
                changed = loading.changed_since(self._revision)
            loaded: list[Snapshot] = []
            for pk, snapshot in loading.load(changed, {} if restored else known):
                if snapshot is None:
                    gone.add(pk)
                else:
                    if self._thread is not None:
                        self._builder.prepare(snapshot, ahead=self._loaded)
                    loaded.append(snapshot)
            if loaded or gone or sweep:
                self._catalogue = self._catalogue.updated(loaded, gone=gone, organizations=organizations)
            self._revision = published
            self._loaded = True
            if sweep:
                self._swept_at = time.monotonic()

    def _is_outdated(self, snapshot: Snapshot) -> bool:
        newest = self._catalogue.by_id.get(snapshot.id)
        return newest is not None and newest.revision > snapshot.revision

    def _note_failure(self, error: Exception) -> None:
        now = time.monotonic()
        with self._turn:
            first = self._failing_since is None
            self._failing_since = self._failing_since or now
        if first or now - self._logged_at > REPEAT_LOG_SECONDS:
            self._logged_at = now
            log.error("snapshots_not_refreshed", error=str(error), kind=type(error).__name__, served=self._served())

    def _note_success(self) -> None:
        with self._turn:
            since, self._failing_since = self._failing_since, None
        if since is not None:
            log.info("snapshots_refresh_again", after_seconds=round(time.monotonic() - since, 1), served=self._served())

    def _served(self) -> int:
        return len(self._catalogue.by_id)


def _require_database_file() -> None:
    """Opening a SQLite file that was moved away would make an empty one in its place."""
    database = connection.settings_dict
    if not database["ENGINE"].endswith("sqlite3") or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return
    if not Path(database["NAME"]).exists():
        raise OperationalError(f"the database file {database['NAME']} does not exist")


store = SnapshotStore()
