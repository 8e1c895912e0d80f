"""Last touch: each reward credits its user's latest exposure at or before it, if less than the window old.

One pass over the sorted stream of events, never a join: a user with many exposures and rewards costs what as many users
with one of each cost. Where only the first reward counts (`bool`, and weighted outcomes), the reward that follows an
exposure in the stream is its reward. Where rewards add up, the running number of exposures names the touch that a
reward belongs to, and the running latest exposure tells how old that touch is.
"""

from sqlglot import exp

from warehouse.sql.dialects import Dialect
from warehouse.sql.events import event_stream, factor_columns, in_order, newcomers
from warehouse.sql.spec import Exposures, Period, ReadSpec, Rewards

CAP_QUANTILE = 0.995
CAP_QUANTILE_OF_POSITIVE = 0.95  # where more than 99.5 % of the rewards are zero, the cap would be zero


class Attribution:
    """Builds the statements of one read. Parameters: `now_at`, `start_at`, `end_at`, `cap`, those of the relations.

    `past` are the exposures of all time, where `exposures` may hold those of the period only.
    """

    def __init__(
        self,
        exposures: Exposures,
        rewards: Rewards,
        spec: ReadSpec,
        period: Period,
        dialect: Dialect,
        *,
        past: Exposures | None = None,
    ) -> None:
        self.exposures, self.rewards, self.past = exposures, rewards, past or exposures
        self.spec, self.period, self.dialect = spec, period, dialect
        self.sums = spec.reward_type == "numeric" and not rewards.mapping.outcomes

    # --- statements ---------------------------------------------------------------------------------------------

    def cells(self, *, capped: bool) -> exp.Select:
        """Design factors, context factors, day, age in hours or NULL, then n, total, total_squares and both capped."""
        factors = factor_columns(self.spec)
        age = self._age()
        y: exp.Expr = exp.column("y")
        bounded = exp.case().when(exp.GT(this=y, expression=_param("cap")), _param("cap")).else_(y) if capped else y
        day = self.dialect.day(exp.column("at"))
        rows = exp.select(*factors, exp.alias_(day, "day"), exp.alias_(age, "age"), "y", exp.alias_(bounded, "capped"))
        keys = [*factors, "day", "age"]
        rows = rows.from_(self.credited().subquery("credited")).where(*self.in_period())
        sums = [exp.alias_(exp.func("COUNT", exp.Star()), "n")]
        for column in ("y", "capped"):
            square = exp.Mul(this=exp.column(column), expression=exp.column(column))
            sums += [exp.alias_(exp.Sum(this=exp.column(column)), f"{column}_total")]
            sums += [exp.alias_(exp.Sum(this=square), f"{column}_squares")]
        return exp.select(*keys, *sums).from_(rows.subquery("dated")).group_by(*keys)

    def delays(self) -> exp.Select:
        """Day of the exposure, whole hours from it to the reward, and how many matured rewards came after them."""
        if self.sums:
            rewarded = exp.select(exp.alias_(exp.column("touched_at"), "at"), exp.alias_(exp.column("at"), "reward_at"))
            rewarded = rewarded.from_(self._touched(self._stream([]), []).subquery("touched"))
            rewarded = rewarded.where(exp.column("kind") > exp.convert(0), self._young("at", "touched_at"))
        else:
            present = exp.not_(exp.column("reward_at").is_(exp.null()))
            rewarded = exp.select("at", "reward_at").from_(self.credited(factors=False).subquery("credited"))
            rewarded = rewarded.where(present)
        hours = self.dialect.hours(exp.column("at"), exp.column("reward_at"))
        day = exp.alias_(self.dialect.day(exp.column("at")), "day")
        matured = exp.select(day, exp.alias_(hours, "delay")).from_(rewarded.subquery("rewarded"))
        matured = matured.where(self.mature(), *self.in_period())
        return (
            exp.select("day", "delay", exp.alias_(exp.func("COUNT", exp.Star()), "n"))
            .from_(matured.subquery("matured"))
            .group_by("day", "delay")
        )

    def cells_by_value(self) -> exp.Select:
        """As `cells`, but rewards of at least `:floor` keep their value: factors, day, age, value, n, and both sums.

        So a cap of at least the floor can be found, and applied, when all cells of all days are together.
        """
        factors = factor_columns(self.spec)
        y = exp.column("y")
        high = exp.case().when(y >= _param("floor"), y.copy())
        columns = [exp.alias_(self.dialect.day(exp.column("at")), "day"), exp.alias_(self._age(), "age")]
        rows = exp.select(*factors, *columns, exp.alias_(high, "high"), "y")
        rows = rows.from_(self.credited().subquery("credited")).where(*self.in_period())
        keys = [*factors, "day", "age", "high"]
        sums = [
            exp.alias_(exp.func("COUNT", exp.Star()), "n"),
            exp.alias_(exp.Sum(this=y.copy()), "y_total"),
            exp.alias_(exp.Sum(this=exp.Mul(this=y.copy(), expression=y.copy())), "y_squares"),
        ]
        return exp.select(*keys, *sums).from_(rows.subquery("dated")).group_by(*keys)

    def cap(self, quantile: float = CAP_QUANTILE) -> exp.Select:
        """Two numbers: the 99.5 % quantile of matured exposures' rewards, and the 95 % one of those above zero."""
        y = exp.column("y")
        positive = exp.case().when(y > exp.convert(0), exp.convert(1)).else_(exp.convert(0))
        upwards = exp.Order(expressions=[exp.Ordered(this=y.copy(), nulls_first=True)])
        frame = exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW")
        running = exp.Window(this=exp.Sum(this=positive), order=upwards, spec=frame)
        ranked = exp.select(
            "y",
            exp.alias_(exp.Window(this=exp.RowNumber(), order=upwards.copy()), "rank"),
            exp.alias_(exp.Window(this=exp.func("COUNT", exp.Star())), "n"),
            exp.alias_(running, "positive_rank"),
            exp.alias_(exp.Window(this=exp.Sum(this=positive.copy())), "positive"),
        )
        ranked = ranked.from_(self.credited(factors=False).subquery("credited")).where(self.mature(), *self.in_period())
        quantiles = [
            exp.Min(this=exp.case().when(exp.and_(_at_quantile(rank, n, q), *more), y.copy()))
            for rank, n, q, more in (
                ("rank", "n", quantile, []),
                ("positive_rank", "positive", CAP_QUANTILE_OF_POSITIVE, [y > exp.convert(0)]),
            )
        ]
        named = [exp.alias_(q, name) for q, name in zip(quantiles, ("of_all", "of_positive"), strict=True)]
        return exp.select(*named).from_(ranked.subquery("ranked"))

    # --- the stream, credited -----------------------------------------------------------------------------------

    def credited(self, *, factors: bool = True) -> exp.Select:
        """One row per exposure: uid, the factors, `at`, its reward `y`, and `reward_at` where only one counts."""
        columns = factor_columns(self.spec) if factors else []
        return self._credited(self._stream(columns), columns)

    def credited_users(self) -> exp.Select:
        """One row per user: uid, `at` of the first exposure, and `y` of its window, as if it had been the only one."""
        numbered = self._touched(self._stream([]), []).subquery("numbered")
        keep = exp.or_(exp.column("kind") > exp.convert(0), exp.column("touch").eq(exp.convert(1)))
        users = self._credited(exp.select("uid", "at", "kind", "value").from_(numbered).where(keep), [])
        if not self.period.start_at:
            return users
        return newcomers(users, ["at", "y"], self.past, self.spec, self.dialect)

    def _credited(self, stream: exp.Select, factors: list[str]) -> exp.Select:
        return self._summed(stream, factors) if self.sums else self._next(stream, factors)

    def _next(self, stream: exp.Select, factors: list[str]) -> exp.Select:
        ahead = [
            exp.alias_(self._over(exp.Lead(this=exp.column(c)), bool(factors), frame=False), f"next_{c}")
            for c in ("kind", "at", "value")
        ]
        rows = exp.select("uid", "at", "kind", *factors, *ahead).from_(stream.subquery("stream"))
        counts = exp.and_(exp.column("next_kind") > exp.convert(0), self._young("next_at", "at"))
        y = exp.case().when(counts, exp.column("next_value")).else_(exp.cast(exp.convert(0), "double"))
        reward_at = exp.case().when(counts.copy(), exp.column("next_at"))
        credited = exp.select("uid", "at", *factors, exp.alias_(y, "y"), exp.alias_(reward_at, "reward_at"))
        return credited.from_(rows.subquery("looking_ahead")).where(exp.column("kind").eq(exp.convert(0)))

    def _summed(self, stream: exp.Select, factors: list[str]) -> exp.Select:
        reward = exp.case().when(exp.column("kind") > exp.convert(0), exp.column("value"))
        y = exp.Sum(this=reward.else_(exp.cast(exp.convert(0), "double")))
        own = [exp.alias_(exp.Max(this=exp.column(name)), name) for name in factors]
        at = exp.alias_(exp.Min(this=exp.column("touched_at")), "at")
        in_window = exp.or_(exp.column("kind").eq(exp.convert(0)), self._young("at", "touched_at"))
        credited = exp.select("uid", at, *own, exp.alias_(y, "y")).from_(
            self._touched(stream, factors).subquery("touched")
        )
        return credited.where(exp.column("touch") > exp.convert(0), in_window).group_by("uid", "touch")

    def _touched(self, stream: exp.Select, factors: list[str]) -> exp.Select:
        """The stream with the number and the moment of each event's latest exposure."""
        exposed = exp.column("kind").eq(exp.convert(0))
        number = exp.Count(this=exp.case().when(exposed, exp.convert(1)))
        latest = exp.Max(this=exp.case().when(exposed.copy(), exp.column("at")))
        columns = ["uid", "at", "kind", "value", *factors]
        over = [self._over(number, bool(factors)), self._over(latest, bool(factors))]
        return exp.select(*columns, exp.alias_(over[0], "touch"), exp.alias_(over[1], "touched_at")).from_(
            stream.subquery("stream")
        )

    def _stream(self, factors: list[str]) -> exp.Select:
        return event_stream(self.exposures, self.rewards, self.spec, self.period, self.dialect, factors=bool(factors))

    def _over(self, function: exp.Expr, factors: bool, *, frame: bool = True) -> exp.Window:
        window = in_order(self.spec, self.dialect, factors=factors)
        window.set("this", function)
        if not frame:  # LEAD takes none
            window.set("spec", None)
        return window

    # --- conditions ---------------------------------------------------------------------------------------------

    def _young(self, later: str, earlier: str) -> exp.Expr:
        return exp.column(later) < self.dialect.plus(exp.column(earlier), self.spec.window_seconds)

    def _age(self) -> exp.Expr:
        return exp.case().when(self.mature(), exp.null()).else_(self.dialect.hours(exp.column("at"), _param("now_at")))

    def mature(self) -> exp.Expr:
        return self.dialect.plus(exp.column("at"), self.spec.window_seconds) <= _param("now_at")

    def in_period(self) -> list[exp.Expr]:
        conditions: list[exp.Expr] = []
        if self.period.start_at:
            conditions.append(exp.column("at") >= _param("start_at"))
        if self.period.end_at:
            conditions.append(exp.column("at") < _param("end_at"))
        return conditions


def _param(name: str) -> exp.Placeholder:
    return exp.Placeholder(this=name)


def _at_quantile(rank: str, n: str, quantile: float) -> exp.Expr:
    """Whether a row's rank has reached the quantile, in whole numbers: rank · 1000 >= n · 995."""
    share = round(quantile * 1000)
    left = exp.Mul(this=exp.column(rank), expression=exp.convert(1000))
    return exp.GTE(this=left, expression=exp.Mul(this=exp.column(n), expression=exp.convert(share)))
