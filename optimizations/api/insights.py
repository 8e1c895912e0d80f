"""Shapes of what the model found: levels, pairs of factors, contexts."""

from typing import Any

from rest_framework import serializers

from optimizations.api.serializers import LevelField

Number = serializers.FloatField


class NullableInterval(serializers.Serializer[Any]):
    mean = Number(allow_null=True)
    ci_lower = Number(allow_null=True)
    ci_upper = Number(allow_null=True)


class VariantBrief(serializers.Serializer[Any]):
    number = serializers.IntegerField(help_text="1 is the baseline.")
    variant_key = serializers.CharField()
    variant = serializers.DictField(child=LevelField())


class BestVariant(VariantBrief):
    expected_reward = NullableInterval()
    prob_best = Number(allow_null=True)


class ContextRow(serializers.Serializer[Any]):
    context = serializers.DictField(  # type: ignore[assignment]  # DRF takes declared fields off the class
        child=LevelField(allow_null=True), help_text="null: missing or unknown."
    )
    traffic_share = Number(allow_null=True)
    best_variant = VariantBrief()
    expected_reward = NullableInterval()
    prob_best = Number(allow_null=True)
    lift_percent = NullableInterval(allow_null=True, help_text="Of its best variant against the baseline.")
    regret = NullableInterval(help_text="Reward per user that the overall best variant would cost here.")


class LevelRow(serializers.Serializer[Any]):
    level = LevelField()
    effect = NullableInterval(help_text="On the link scale: log odds, or the reward itself for numeric rewards.")
    expected_reward = NullableInterval(allow_null=True, help_text="Mean of the servable variants that have it.")


class FactorRow(serializers.Serializer[Any]):
    factor = serializers.CharField()
    range = NullableInterval(help_text="Reward between the best and the worst level.")
    levels = LevelRow(many=True)


class PairCell(serializers.Serializer[Any]):
    levels = serializers.ListField(child=LevelField())
    exposures = serializers.IntegerField()
    masked = serializers.BooleanField(help_text="Fewer than 100 exposures: the numbers are withheld.")
    effect = NullableInterval(allow_null=True, help_text="Beyond the two main effects, on the link scale.")
    observed_reward = NullableInterval(allow_null=True, help_text="Mean of the cell's rewards as they came in.")
    expected_reward = NullableInterval(
        allow_null=True, help_text="Of the model: mean of the servable variants that have both levels."
    )
    additive_reward = NullableInterval(
        allow_null=True, help_text="What the overall mean and each level's own effect add up to."
    )
    beyond_additive = NullableInterval(allow_null=True, help_text="expected_reward - additive_reward.")
    reward_beyond_additive = Number(allow_null=True, help_text="The mean of beyond_additive.")
    kind = serializers.ChoiceField(
        choices=["synergy", "saturation", "conflict"],
        allow_null=True,
        help_text="synergy: more than the sum and better than either level on average. saturation: both levels help, "
        "together less than the sum. conflict: less than the sum and worse than either level. null: nothing is sure.",
    )


class PairRow(serializers.Serializer[Any]):
    factors = serializers.ListField(child=serializers.CharField())
    typical_effect = Number(allow_null=True, help_text="Standard deviation of such effects.")
    cells = PairCell(many=True)


class BaselineCheckOutput(serializers.Serializer[Any]):
    """The modeled lift rests on the modeled baseline: does it follow what the baseline's users did lately?"""

    status = serializers.ChoiceField(choices=["tracking", "stale"], allow_null=True)
    observed_rate = Number(allow_null=True)
    modeled_rate = Number(allow_null=True)
    exposures = serializers.IntegerField()
    days = serializers.IntegerField(help_text="The latest days that are compared.")
    reason = serializers.CharField(allow_null=True, help_text="Why the status is missing.")


class ModelState(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    optimization_id = serializers.UUIDField()
    model_type = serializers.CharField()
    status = serializers.CharField()
    version = serializers.IntegerField()
    trained_at = serializers.DateTimeField(allow_null=True)
    link = serializers.ChoiceField(choices=["logit", "identity"])
    bias = serializers.DictField(child=Number())
    variants_count = serializers.IntegerField()
    unknown_exposures = serializers.IntegerField(help_text="Left out: levels outside the design.")
    best_variant = BestVariant(allow_null=True)
    policy_expected_reward = NullableInterval(allow_null=True)
    confidence = Number(allow_null=True, help_text="Probability that the policy beats the baseline.")
    baseline_check = BaselineCheckOutput(allow_null=True)
    factors = FactorRow(many=True)
    interactions = PairRow(many=True)
    contexts = ContextRow(many=True)
    context_coverage = Number(allow_null=True, help_text="Share of the traffic in the listed contexts.")
    personalization = NullableInterval(
        allow_null=True, help_text="Reward gained by serving each context its own best variant, per user."
    )
    reason = serializers.CharField(allow_null=True, help_text="Why numbers are missing.")
