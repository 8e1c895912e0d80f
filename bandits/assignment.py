"""Who sees what: pure functions of the ids, so that anyone can recompute any assignment, also in SQL."""

from fractions import Fraction
from hashlib import md5
from math import ceil

HASHES = 2**32
HOLDOUT = "holdout"
SLOT = "slot"


def unit_hash(optimization_id: str, purpose: str, anonymous_id: str) -> int:
    """The first 32 bits of md5("optimization_id:purpose:anonymous_id"), 0 <= hash < 2^32.

    MD5 because every warehouse's SQL has it; nothing here is a secret.
    """
    digest = md5(f"{optimization_id}:{purpose}:{anonymous_id}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big")


def holdout_limit(percentage: int | float) -> int:
    """Smallest integer L with: hash < percentage / 100 * 2^32 if and only if hash < L.

    Exact for the decimal number as written.

    Raises:
        ValueError: not between 0 and 100.
    """
    if not 0 <= percentage <= 100:
        raise ValueError(f"holdout percentage: must lie between 0 and 100, got {percentage}")
    return ceil(Fraction(str(percentage)) * HASHES / 100)


def in_holdout(optimization_id: str, anonymous_id: str, limit: int) -> bool:
    """Whether the user belongs to the holdout. Independent of the slot; retraining never changes it."""
    return unit_hash(optimization_id, HOLDOUT, anonymous_id) < limit


def slot_of(optimization_id: str, anonymous_id: str, slots: int) -> int:
    """The user's slot, 0 <= slot < slots: the posterior draw that decides what the user sees."""
    return unit_hash(optimization_id, SLOT, anonymous_id) % slots
