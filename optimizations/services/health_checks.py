"""Each check of the data's health: a status, what was found, and what to do about it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from optimizations.models import Guardrail, Optimization, TrainingRun
from optimizations.states import Status

Health = Literal["ok", "warning", "failing", "unknown"]
_GRAVITY: tuple[Health, ...] = ("failing", "warning", "ok", "unknown")

MIN_REWARDS = 20  # below, the share of rewards with an exposure says nothing
FEW_MATCHED, HARDLY_MATCHED = 0.5, 0.1
MANY_UNKNOWN, SOME = 0.05, 0.001
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Check:
    """`detail` says what was found; `advice` what to do, empty where nothing is."""

    key: str
    title: str
    status: Health
    detail: str
    advice: str = ""


@dataclass(frozen=True)
class Facts:
    """What the checks look at. `found`: arrivals of events, as `DataHealth.facts`; None before the first reading."""

    optimization: Optimization
    now: dt.datetime
    found: Mapping[str, Any] | None
    measured_at: dt.datetime | None
    read_error: str
    trained_on: int
    unknown: int
    rejected: Mapping[str, int]
    sample_ratio: Mapping[str, Any]
    baseline_check: Mapping[str, Any] | None
    last_run: TrainingRun | None
    trained_at: dt.datetime | None
    guardrails: Sequence[Guardrail]

    @property
    def expected(self) -> bool:
        """Whether events should still come in."""
        return self.optimization.status != Status.ARCHIVED


def checks_of(facts: Facts) -> list[Check]:
    """In the order in which data flows: a failure explains those below it."""
    return [
        _warehouse(facts), _exposures(facts), _rewards(facts), _matched(facts), _levels(facts), _holdout(facts),
        _variants(facts), _clock(facts), _training(facts), _baseline(facts), _guardrails(facts),
    ]  # fmt: skip


def worst(checks: Sequence[Check]) -> Health:
    found = {check.status for check in checks}
    return next((status for status in _GRAVITY if status in found), "unknown")


def _warehouse(facts: Facts) -> Check:
    key, title = "warehouse", "Warehouse"
    if facts.read_error:
        last = f" The last good reading was at {_moment(facts.measured_at)}." if facts.measured_at else ""
        advice = "Test the connection, and run the SQL of the metric and of the assignment source; both have a preview."
        return Check(key, title, "failing", f"The last reading failed: {facts.read_error}{last}", advice)
    if facts.found is None:
        return Check(key, title, "unknown", "The warehouse has not been read yet.")
    return Check(key, title, "ok", f"Read at {_moment(facts.measured_at)}.")


def _exposures(facts: Facts) -> Check:
    key, title = "exposures", "Exposures arrive"
    if facts.found is None:
        return Check(key, title, "unknown", "The warehouse has not been read yet.")
    found = facts.found["exposures"]
    if not found["total"]:
        young = facts.now - facts.optimization.created_at < DAY
        advice = "Report every served variant to POST /ingest/exposures, or let the assignment source select them."
        return Check(key, title, "warning" if young else "failing", "No exposure has arrived yet.", advice)
    return _arriving(key, title, found, facts, "Check the code that reports exposures, and the assignment source.")


def _rewards(facts: Facts) -> Check:
    key, title = "rewards", "Rewards arrive"
    if facts.found is None:
        return Check(key, title, "unknown", "The warehouse has not been read yet.")
    found, exposed = facts.found["rewards"], facts.found["exposures"]["total"]
    advice = f"Check that the events of the metric “{facts.optimization.reward_metric.name}” are reported, by name."
    if not found["total"]:
        status: Health = "failing" if exposed >= 1000 else "warning" if exposed else "unknown"
        return Check(key, title, status, "No reward has arrived yet.", advice)
    return _arriving(key, title, found, facts, advice)


def _arriving(key: str, title: str, found: Mapping[str, Any], facts: Facts, advice: str) -> Check:
    detail = (
        f"{found['last_24h']:,} in the last 24 hours, {found['last_7d']:,} in 7 days; the latest at "
        f"{_moment(dt.datetime.fromisoformat(found['last_at']))}."
    )
    if not facts.expected or found["last_24h"]:
        return Check(key, title, "ok", detail)
    return Check(key, title, "warning" if found["last_7d"] else "failing", detail, advice)


def _matched(facts: Facts) -> Check:
    key, title = "matched_rewards", "Rewards find their users"
    found = facts.found["rewards"] if facts.found else {"last_30d": 0, "matched_30d": 0}
    rewards, matched = found["last_30d"], found["matched_30d"]
    if rewards < MIN_REWARDS:
        return Check(key, title, "unknown", f"{rewards:,} rewards in 30 days: too few to tell.")
    share = matched / rewards
    detail = f"{share:.1%} of the {rewards:,} rewards of the last 30 days are of a user who was ever exposed."
    advice = (
        "Send the same anonymous_id with exposures and rewards. A low share is right only if most of those who convert "
        "never meet this optimization."
    )
    if share >= FEW_MATCHED:
        return Check(key, title, "ok", detail)
    return Check(key, title, "warning" if share >= HARDLY_MATCHED else "failing", detail, advice)


def _levels(facts: Facts) -> Check:
    key, title = "levels", "Exposures show variants of the design"
    refused = facts.rejected.get("unknown_variant", 0)
    if not facts.trained_on and not refused:
        return Check(key, title, "unknown", "Nothing has been read to train on yet.")
    detail = f"{facts.unknown:,} of {facts.trained_on:,} exposures have levels that are not in the design"
    detail += f"; ingestion refused {refused:,} more in 7 days." if refused else "."
    share = (facts.unknown + refused) / (facts.trained_on + refused)
    if not facts.unknown and not refused:
        return Check(key, title, "ok", detail)
    advice = "Report the variant as serve returned it, letter by letter; such exposures are left out of all numbers."
    return Check(key, title, "failing" if share > MANY_UNKNOWN else "warning", detail, advice)


def _holdout(facts: Facts) -> Check:
    key, title, found = "holdout_ratio", "The holdout has its size", facts.sample_ratio
    if found["p_value"] is None:
        return Check(key, title, "unknown", found["reason"])
    detail = (
        f"{found['holdout_share']:.2%} of the users are held out, {found['expected_holdout_share']:.2%} were drawn "
        f"(p = {found['p_value']:.2g})."
    )
    if not found["mismatch"]:
        return Check(key, title, "ok", detail)
    advice = "Events of one arm are lost or doubled, so no lift should be believed: compare how both arms report."
    return Check(key, title, "failing", detail, advice)


def _variants(facts: Facts) -> Check:
    key, title, found = "variant_ratio", "Users are shown what is served", facts.sample_ratio["variants"]
    if found is None:
        return Check(key, title, "unknown", "Known after the next training.")
    held, elsewhere = found["held_out_users"], found["held_out_elsewhere"]
    stray = (
        f" {elsewhere:,} of {held:,} held-out users were shown another variant than the baseline." if elsewhere else ""
    )
    if found["mismatch"]:
        cell = found["largest"][0]
        detail = (
            f"Variants are seen more or less often than they were served (p = {found['p_value']:.2g}); most of all "
            f"{cell['variant_key']}: {cell['users']:,} users instead of {cell['expected_users']:,.0f}.{stray}"
        )
        advice = "Show the first variant of each answer to the user it was asked for, and report every exposure once."
        return Check(key, title, "failing", detail, advice)
    if elsewhere > 0.01 * held:
        advice = "Show held-out users what serve returns for them; else the measured lift is too small."
        return Check(key, title, "failing", stray.strip(), advice)
    if found["p_value"] is None:
        return Check(key, title, "unknown", found["reason"] + stray)
    return Check(key, title, "ok", f"{found['users']:,} users fit what was served (p = {found['p_value']:.2g}).{stray}")


def _clock(facts: Facts) -> Check:
    key, title = "clock", "Timestamps are right"
    if facts.found is None:
        return Check(key, title, "unknown", "The warehouse has not been read yet.")
    clock = facts.found["clock"] or {"received": 0, "late": 0, "ahead": 0}
    ahead = clock["ahead"] + facts.found["exposures"]["ahead"] + facts.found["rewards"]["ahead"]
    refused = facts.rejected.get("timestamp_in_future", 0)
    if ahead or refused:
        detail = f"{ahead:,} events are dated more than five minutes ahead"
        detail += f"; ingestion refused {refused:,} that were a day ahead." if refused else "."
        return Check(key, title, "warning", detail, "Send timestamps in UTC, from a clock that is synchronized.")
    if clock["late"] > FEW_MATCHED * clock["received"]:
        detail = f"{clock['late']:,} of {clock['received']:,} exposures of 7 days arrived more than an hour late."
        return Check(key, title, "warning", detail, "Send events sooner: until they arrive the model learns without.")
    if not facts.found["exposures"]["total"]:
        return Check(key, title, "unknown", "No exposure has arrived yet.")
    return Check(key, title, "ok", "No event is dated ahead of time.")


def _training(facts: Facts) -> Check:
    key, title, last = "training", "The model trains", facts.last_run
    if last is None:
        return Check(key, title, "unknown", "The model has not been trained yet.")
    if last.outcome == TrainingRun.Outcome.FAILED:
        kept = f" Served is what was learned at {_moment(facts.trained_at)}." if facts.trained_at else ""
        advice = "Remove the cause; the schedule tries again when data arrives, and Training has a button."
        return Check(key, title, "failing", f"The last training failed: {last.error}{kept}", advice)
    return Check(key, title, "ok", f"Version {last.version} was trained at {_moment(last.finished_at)}.")


def _baseline(facts: Facts) -> Check:
    key, title, found = "baseline", "The model follows the baseline", facts.baseline_check
    if not found or found["status"] is None:
        return Check(key, title, "unknown", found["reason"] if found else "Known after the first training.")
    detail = f"Modeled {found['modeled_rate']:.4g}, observed {found['observed_rate']:.4g} over {found['days']} days."
    if found["status"] == "tracking":
        return Check(key, title, "ok", detail)
    advice = "Do not believe the modeled lift; trust the measured one. Look for a change in how rewards are counted."
    return Check(key, title, "warning", detail, advice)


def _guardrails(facts: Facts) -> Check:
    key, title = "guardrails", "Guardrails hold"
    if facts.optimization.paused_at:
        detail = f"Paused since {_moment(facts.optimization.paused_at)}: the baseline is served to everyone."
        return Check(key, title, "failing", detail, "Look at the violated guardrail; then resume, or archive.")
    violated = [g.metric.name for g in facts.guardrails if g.status == Guardrail.State.VIOLATED]
    if violated:
        return Check(key, title, "failing", f"Violated: {', '.join(violated)}.", "Look at the violated guardrail.")
    if not facts.guardrails:
        return Check(key, title, "unknown", "This optimization has no guardrail.")
    unread = [g for g in facts.guardrails if g.unreadable]
    if unread:
        return Check(key, title, "warning", unread[0].reason, "Run the SQL of the guardrail's metric.")
    return Check(key, title, "ok", f"None of {len(facts.guardrails)} is violated.")


def _moment(at: dt.datetime | None) -> str:
    return f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC" if at else "an unknown time"
