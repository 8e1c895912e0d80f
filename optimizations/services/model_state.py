"""What a model knows: its version, and what its latest read-out says of levels, pairs and contexts."""

from typing import Any

from optimizations.models import BanditModel, Readout
from optimizations.services.observations import config_of, reward_of


def model_state(model: BanditModel) -> dict[str, Any]:
    """Effects on the link scale, rewards on the reward scale, lifts in percent; empty lists before the training."""
    optimization = model.optimization
    config = config_of(optimization)
    read = Readout.objects.filter(model=model).first()
    conclusions: dict[str, Any] = read.conclusions if read else {}
    found: dict[str, Any] = conclusions.get("insights", {})
    best = conclusions.get("best")
    return {
        "id": model.pk,
        "optimization_id": optimization.pk,
        "model_type": optimization.model_type,
        "status": model.current_status,
        "version": model.version,
        "trained_at": model.trained_at,
        "link": "logit" if reward_of(optimization.reward_metric, config.reward_type) == "bool" else "identity",
        "bias": model.bias,
        "variants_count": config.n_variants,
        "unknown_exposures": read.unknown_exposures if read else 0,
        "best_variant": (
            None
            if best is None
            else {
                "number": best + 1,
                "variant_key": config.key(best),
                "variant": config.props(best),
                "expected_reward": {
                    "mean": conclusions["mean"][best],
                    "ci_lower": conclusions["lo"][best],
                    "ci_upper": conclusions["hi"][best],
                },
                "prob_best": conclusions["prob_best"][best],
            }
        ),
        "policy_expected_reward": conclusions.get("policy"),
        "confidence": conclusions.get("confidence"),
        "baseline_check": conclusions.get("baseline_check"),
        "factors": found.get("levels", []),
        "interactions": found.get("interactions", []),
        "contexts": found.get("contexts", []),
        "context_coverage": found.get("context_coverage"),
        "personalization": found.get("personalization"),
        "reason": None if read else "The model has not been trained yet.",
    }
