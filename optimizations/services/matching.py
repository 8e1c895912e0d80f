"""Which optimization a set of design factor names means."""

from collections.abc import Iterable

from levered_site.errors import Conflict, DomainError, NotFound
from optimizations.services.snapshot import Snapshot
from optimizations.services.snapshots import store

MAX_FACTORS, MAX_NAME = 64, 64  # no design is larger: such a request is answered without a look


class UnknownPublishableKey(DomainError):
    code = "unauthenticated"


def match(names: Iterable[str], *, publishable_key: str | None = None) -> Snapshot:
    """The newest live optimization with exactly these design factors, of the key's organization if there is a key.

    Raises:
        UnknownPublishableKey: no organization has this key.
        NotFound: no live optimization has these design factors.
        Conflict: `ambiguous_match`, several organizations have one and no key tells which is meant.
        Unavailable: it is not in memory and the database does not answer.
    """
    organization = None
    if publishable_key is not None:
        organization = store.find_organization(publishable_key)
        if organization is None:
            raise UnknownPublishableKey("The publishable key is unknown.")
    wanted = frozenset(names)
    possible = len(wanted) <= MAX_FACTORS and all(len(name) <= MAX_NAME for name in wanted)
    candidates = store.find_live(wanted, organization) if possible else ()
    if not candidates:
        raise NotFound("No live optimization has exactly these design factors.")
    newest = candidates[0]
    if any(other.organization_id != newest.organization_id for other in candidates[1:]):
        raise Conflict(
            "Optimizations of several organizations have these design factors; send a publishable key.",
            code="ambiguous_match",
        )
    return newest
