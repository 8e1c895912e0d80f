"""A user's variants: a hash and a look-up, written as bytes. Nothing is stored and no database is asked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bandits.assignment import in_holdout, slot_of
from levered_site.errors import Conflict, NotFound
from optimizations.services.snapshot import Cell, Codes, Snapshot
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
    cell = _cell(snapshot, snapshot.codes(context))
    if snapshot.holdout_limit and in_holdout(snapshot.id, anonymous_id, snapshot.holdout_limit):
        return snapshot.answer_held_out(cell)
    slot = slot_of(snapshot.id, anonymous_id, snapshot.policy.slots)
    if count == 1:
        return cell.answer(cell.winners[slot])
    return cell.answer_ranked(slot, count)


@dataclass(frozen=True)
class Explanation:
    """Why a user gets what `answer` answers for one variant.

    Attributes:
        codes: the context as the model reads it; UNKNOWN where a level was not sent or is not of the design.
        slot: the user's slot of `slots`; what it shows is overruled for a user in the holdout.
        variant: what is served, from 0.
        shares: (variant, propensity) of everything that may be served in this context, most likely first.
    """

    snapshot: Snapshot
    codes: Codes
    held_out: bool
    slot: int
    slots: int
    variant: int
    propensity: float
    expected: float
    shares: tuple[tuple[int, float], ...]


def explain(snapshot: Snapshot, *, anonymous_id: str, context: Mapping[str, Any] | None = None) -> Explanation:
    """What `answer` decides, taken apart; nothing is stored either.

    Raises:
        Conflict: `model_unavailable`, the optimization's model was deleted.
    """
    codes = snapshot.codes(context)
    cell = _cell(snapshot, codes)
    held_out = bool(snapshot.holdout_limit) and in_holdout(snapshot.id, anonymous_id, snapshot.holdout_limit)
    slot = slot_of(snapshot.id, anonymous_id, snapshot.policy.slots)
    variant = 0 if held_out else cell.winners[slot]
    likely = sorted(enumerate(cell.propensities.tolist()), key=lambda row: (-row[1], row[0]))
    return Explanation(
        snapshot=snapshot,
        codes=codes,
        held_out=held_out,
        slot=slot,
        slots=snapshot.policy.slots,
        variant=variant,
        propensity=float(cell.propensities[variant]),
        expected=float(cell.expected[variant]),
        shares=tuple((variant, share) for variant, share in likely if share > 0),
    )


def _cell(snapshot: Snapshot, codes: Codes) -> Cell:
    if not snapshot.available:
        raise Conflict("The optimization's model was deleted; create a new one.", code="model_unavailable")
    return snapshot.cell(codes)
