"""A user's variants: a hash and a look-up, written as bytes. Nothing is stored and no database is asked."""

import re
from collections.abc import Mapping
from typing import Any

from bandits.assignment import in_holdout, slot_of
from levered_site.errors import Conflict, NotFound
from optimizations.services.snapshot import Snapshot
from optimizations.services.snapshots import store

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# what follows the request id in an answer
CLOSING = b'"}}'


def find_served(optimization_id: str) -> Snapshot:
    """The snapshot of a live or completed optimization.

    Raises:
        NotFound: there is none, or it is archived.
        Unavailable: it is not in memory and the database does not answer.
    """
    snapshot = store.find(optimization_id.lower()) if _UUID.fullmatch(optimization_id) else None
    if snapshot is None:
        raise NotFound("Optimization not found")
    return snapshot


def answer(snapshot: Snapshot, *, anonymous_id: str, context: Mapping[str, Any] | None = None, count: int = 1) -> bytes:
    """The documented JSON answer up to the request id: append the id and `CLOSING`.

    The same user and context get the same variants until a new model version is published.

    Raises:
        Conflict: `model_unavailable`, the optimization's model was deleted.
    """
    if not snapshot.available:
        raise Conflict("The optimization's model was deleted; create a new one.", code="model_unavailable")
    cell = snapshot.cell(snapshot.codes(context))
    if snapshot.holdout_limit and in_holdout(snapshot.id, anonymous_id, snapshot.holdout_limit):
        return snapshot.answer_held_out(cell)
    slot = slot_of(snapshot.id, anonymous_id, snapshot.policy.slots)
    if count == 1:
        return cell.answer(cell.winners[slot])
    return cell.answer_ranked(slot, count)
