"""What our statements need and SQLite lacks, as deterministic functions on our own connection.

An instant is a whole number of microseconds since 0001-01-01 UTC: exact, never negative, and the same order as time.
"""

import datetime as dt
import hashlib
import math
import sqlite3

_ORIGIN = dt.datetime(1, 1, 1)


class Functions:
    """`failure` keeps the reason of a failed call: SQLite itself only tells that a function failed."""

    def __init__(self) -> None:
        self.failure: str | None = None

    def register(self, connection: sqlite3.Connection) -> None:
        connection.create_function("levered_instant", 1, self.instant, deterministic=True)
        connection.create_function("levered_number", 1, self.number, deterministic=True)
        connection.create_function("md5", 1, md5, deterministic=True)

    def instant(self, value: object) -> int | None:
        if value is None:
            return None
        try:
            return instant(dt.datetime.fromisoformat(value))  # type: ignore[arg-type]  # a TypeError is an answer too
        except (TypeError, ValueError, OverflowError):
            self.failure = f"{value!r} is not a timestamp."
            raise

    def number(self, value: object) -> float | None:
        if value is None:
            return None
        try:
            number = float(value)  # type: ignore[arg-type]
            if not math.isfinite(number):
                raise ValueError(value)
        except (TypeError, ValueError, OverflowError):
            self.failure = f"{value!r} is not a finite number."
            raise
        return number


def instant(moment: dt.datetime) -> int:
    """A naive moment is UTC."""
    if moment.tzinfo is not None:
        moment = moment.astimezone(dt.UTC).replace(tzinfo=None)
    since = moment - _ORIGIN
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def moment(instant: int) -> dt.datetime:
    """The moment of an instant, in UTC."""
    return (_ORIGIN + dt.timedelta(microseconds=instant)).replace(tzinfo=dt.UTC)


def md5(value: object) -> str | None:
    return None if value is None else hashlib.md5(str(value).encode(), usedforsecurity=False).hexdigest()
