"""What a visitor would be served, and why. Nothing is written: the page asks the same memory as `serve`."""

from typing import Any

import orjson

from levered_site.errors import Conflict, NotFound
from optimizations.config import UNKNOWN, Config
from optimizations.dashboard.optimization_forms import PlaygroundForm
from optimizations.dashboard.snippets import serve_snippet
from optimizations.dashboard.variants import level_text
from optimizations.dashboard.views.optimization import OptimizationTab
from optimizations.models import Optimization
from optimizations.services.serving import CLOSING, Explanation, answer, explain, find_served

SHOWN_SHARES = 8


class PlaygroundView(OptimizationTab):
    tab = "playground"

    def content(self, optimization: Optimization, config: Config) -> dict[str, Any]:
        asked = "anonymous_id" in self.request.GET
        form = PlaygroundForm(self.request.GET if asked else None, factors=config.context)
        shown: dict[str, Any] = {"form": form, "served": None, "refusal": ""}
        if not (asked and form.is_valid()):
            return shown
        who, context = form.cleaned_data["anonymous_id"], form.context()
        try:
            snapshot = find_served(str(optimization.pk))
            found = explain(snapshot, anonymous_id=who, context=context)
            raw = answer(snapshot, anonymous_id=who, context=context) + b"\xe2\x80\xa6" + CLOSING
        except (NotFound, Conflict) as error:
            return shown | {"refusal": error.message}
        body = {"anonymous_id": who} | ({"context": context} if context else {})
        base_url = self.request.build_absolute_uri("/").rstrip("/")
        return shown | {
            "served": served_of(found, config),
            "answer": orjson.dumps(orjson.loads(raw), option=orjson.OPT_INDENT_2).decode(),
            "request_code": serve_snippet(optimization, body, base_url=base_url),
        }


def served_of(found: Explanation, config: Config) -> dict[str, Any]:
    """An explanation in the page's words."""
    factors = zip(config.context, found.codes, strict=True)
    shares = [
        {"number": variant + 1, "chips": chips(config, variant), "share": share, "current": variant == found.variant}
        for variant, share in found.shares
    ]
    return {
        "held_out": found.held_out,
        "holdout_percentage": round(found.snapshot.holdout_share * 100),
        "status": found.snapshot.status,
        "ready": found.snapshot.ready,
        "version": found.snapshot.version,
        "slot": found.slot + 1,
        "slots": found.slots,
        "number": found.variant + 1,
        "is_baseline": found.variant == 0,
        "chips": chips(config, found.variant),
        "propensity": found.propensity,
        "expected": found.expected if found.snapshot.ready else None,
        "unknown": [factor.name for factor, code in factors if code == UNKNOWN],
        "shares": shares[:SHOWN_SHARES],
        "more": len(shares) - SHOWN_SHARES,
    }


def chips(config: Config, variant: int) -> list[dict[str, str]]:
    return [{"factor": name, "level": level_text(level)} for name, level in config.props(variant).items()]
