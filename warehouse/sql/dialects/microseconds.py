"""Where an instant is a whole number: of microseconds since 0001-01-01 UTC. Exact, never negative, and ordered as time.

Whole numbers are what all databases agree on: no session's time zone, no client's idea of a timestamp comes between.
"""

import datetime as dt
from abc import abstractmethod
from typing import cast

from sqlglot import exp

from warehouse.connectors.sqlite_functions import instant as microseconds
from warehouse.sql.dialects.base import Dialect

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR
_UNIX = microseconds(dt.datetime(1970, 1, 1))


def from_unix(microseconds_since_1970: exp.Expr) -> exp.Expr:
    """The instant."""
    return exp.Add(this=microseconds_since_1970, expression=exp.convert(_UNIX))


class Microseconds(Dialect):
    @abstractmethod
    def whole(self, number: exp.Expr, divisor: int) -> exp.Expr:
        """Division of whole numbers, none negative, without a remainder and without a detour by way of floats."""

    def moment(self, value: dt.datetime) -> object:
        return microseconds(value)

    def plus(self, instant: exp.Expr, seconds: int) -> exp.Expr:
        return exp.Add(this=instant, expression=exp.convert(seconds * 1_000_000))

    def day(self, instant: exp.Expr) -> exp.Expr:
        return self.whole(instant, _DAY)

    def decode_day(self, value: object) -> dt.date:
        return dt.date.fromordinal(int(cast(int, value)) + 1)

    def hours(self, start: exp.Expr, end: exp.Expr) -> exp.Expr:
        return self.whole(exp.paren(exp.Sub(this=end, expression=start)), _HOUR)
