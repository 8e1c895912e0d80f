"""What optimizations and models look like from outside: Input and Output apart."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from levered_site.api.views import StrictSerializer
from optimizations.models import BanditModel, Guardrail, ModelType, Optimization
from optimizations.states import ModelStatus, Status


class NameField(serializers.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=255, **kwargs)


@extend_schema_field({"oneOf": [{"type": t} for t in ("string", "boolean", "integer", "number")]})
class LevelField(serializers.Field[Any, Any, Any, Any]):
    """One level of a factor: a string, boolean or finite number."""

    default_error_messages = {"invalid": "A level is a string, a boolean or a number."}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str | bool | int | float):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class FactorInput(StrictSerializer):
    name = serializers.CharField(trim_whitespace=False)
    dtype = serializers.ChoiceField(choices=["str", "bool", "int", "float"], default="str")
    levels = serializers.ListField(child=LevelField(), help_text="At least two; the first is the baseline.")


class RewardDefinitionInput(StrictSerializer):
    name = serializers.CharField(max_length=255, default="reward")
    type = serializers.ChoiceField(choices=["bool", "numeric"], default="bool")


class AttributionInput(StrictSerializer):
    type = serializers.ChoiceField(choices=["last_touch"], default="last_touch")
    conversion_window_hours = serializers.FloatField(default=24)

    def validate_conversion_window_hours(self, hours: float) -> float:
        return int(hours) if hours == int(hours) else hours


class TrainingDataConfigInput(StrictSerializer):
    reward = RewardDefinitionInput(required=False)
    design_factors = FactorInput(many=True)
    context_factors = FactorInput(many=True, required=False)
    attribution = AttributionInput(required=False)


class GuardrailInput(StrictSerializer):
    metric_id = serializers.UUIDField()
    direction = serializers.ChoiceField(choices=Guardrail.Direction.choices)
    margin_percent = serializers.FloatField(min_value=0, max_value=100)
    on_violation = serializers.ChoiceField(
        choices=Guardrail.OnViolation.choices,
        default=Guardrail.OnViolation.NOTIFY,
        help_text="pause: serve the baseline to everyone until a person resumes.",
    )


class OptimizationInput(StrictSerializer):
    name = NameField()
    description = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    model_type = serializers.ChoiceField(choices=ModelType.choices, default=ModelType.CMAB)
    training_data_config = TrainingDataConfigInput()
    reward_metric_id = serializers.UUIDField()
    assignment_source_id = serializers.UUIDField(required=False, allow_null=True)
    holdout_percentage = serializers.IntegerField(min_value=0, max_value=50, default=10)
    guardrails = GuardrailInput(many=True, required=False)
    excluded_combinations = serializers.ListField(
        child=serializers.DictField(child=LevelField()),
        required=False,
        help_text="Factor-to-level maps; every variant that matches one is never served.",
    )


class OptimizationPatch(StrictSerializer):
    name = NameField(required=False)
    description = serializers.CharField(max_length=1000, required=False, allow_blank=True)
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    holdout_percentage = serializers.IntegerField(
        min_value=0, max_value=50, required=False, help_text="Of a live optimization; each change opens a regime."
    )


class BiasInput(StrictSerializer):
    bias = serializers.DictField(
        child=serializers.FloatField(min_value=0),
        required=False,
        help_text="Per design factor: how much more its levels are explored, on the log-odds scale.",
    )


class TrainInput(BiasInput):
    reread = serializers.BooleanField(
        default=False, help_text="Read all days again, also those that are over: after data was corrected."
    )


class FactorOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    dtype = serializers.CharField()
    levels = serializers.ListField(child=LevelField())


class RewardOutput(serializers.Serializer[Any]):
    name = serializers.CharField()
    type = serializers.CharField()


class AttributionOutput(serializers.Serializer[Any]):
    type = serializers.CharField()
    conversion_window_hours = serializers.FloatField()


class TrainingDataConfigOutput(serializers.Serializer[Any]):
    reward = RewardOutput()
    design_factors = FactorOutput(many=True)
    context_factors = FactorOutput(many=True)
    attribution = AttributionOutput()


class SummaryOutput(serializers.Serializer[Any]):
    variants_count = serializers.IntegerField()
    lift = serializers.FloatField(allow_null=True, help_text="In percent: measured, else the model's.")
    lift_ci = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        default=None,
        help_text="Of the measured lift, always valid; null while the lift is modeled.",
    )
    verdict = serializers.ChoiceField(
        choices=["better", "worse", "no_detectable_change", "too_early"],
        default="too_early",
        help_text="On the measured lift, safe at every look.",
    )
    confidence = serializers.FloatField(allow_null=True, help_text="Probability that the policy beats the baseline.")
    exposures = serializers.IntegerField()
    users = serializers.IntegerField(
        allow_null=True, default=None, help_text="Whose conversion windows have closed, in both arms."
    )


class OptimizationListItem(serializers.ModelSerializer[Optimization]):
    """A row of the list. The view's query brings `active_models`."""

    model_id = serializers.SerializerMethodField()
    model_status = serializers.SerializerMethodField()
    summary = SummaryOutput(allow_null=True)

    class Meta:
        model = Optimization
        fields = ["id", "name", "status", "model_status", "model_id", "created_at", "updated_at", "summary"]

    def _model(self, optimization: Optimization) -> BanditModel | None:
        return next((m for m in optimization.models.all() if m.status != ModelStatus.ARCHIVED), None)

    @extend_schema_field(serializers.UUIDField(allow_null=True, help_text="Null while there is no model."))
    def get_model_id(self, optimization: Optimization) -> str | None:
        model = self._model(optimization)
        return str(model.pk) if model else None

    @extend_schema_field(serializers.ChoiceField(choices=ModelStatus.choices))
    def get_model_status(self, optimization: Optimization) -> str:
        model = self._model(optimization)
        return model.current_status if model else ModelStatus.ARCHIVED


class OptimizationList(serializers.Serializer[Any]):
    optimizations = OptimizationListItem(many=True)


class NamedOutput(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


class GuardrailOutput(serializers.ModelSerializer[Guardrail]):
    class Meta:
        model = Guardrail
        fields = ["id", "metric_id", "direction", "margin_percent", "on_violation", "status"]


class ModelBrief(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(source="current_status", choices=ModelStatus.choices)
    version = serializers.IntegerField()
    trained_at = serializers.DateTimeField(allow_null=True)


class OptimizationOutput(OptimizationListItem):
    training_data_config = TrainingDataConfigOutput()
    reward_metric = NamedOutput()
    assignment_source = NamedOutput(allow_null=True)
    guardrails = GuardrailOutput(many=True)
    excluded_combinations = serializers.ListField(child=serializers.DictField(child=LevelField()))
    model = serializers.SerializerMethodField()

    class Meta(OptimizationListItem.Meta):
        fields = [
            *OptimizationListItem.Meta.fields,
            "description",
            "model_type",
            "holdout_percentage",
            "training_data_config",
            "reward_metric",
            "assignment_source",
            "guardrails",
            "excluded_combinations",
            "model",
            "completed_at",
            "archived_at",
            "paused_at",
        ]

    @extend_schema_field(ModelBrief(allow_null=True))
    def get_model(self, optimization: Optimization) -> dict[str, Any] | None:
        model = self._model(optimization)
        return dict(ModelBrief(model).data) if model else None


class OptimizationCreated(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    model_id = serializers.UUIDField()
    warnings = serializers.ListField(child=serializers.CharField(), required=False)


class Ended(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.CharField()


class ModelOutput(serializers.ModelSerializer[BanditModel]):
    model_type = serializers.CharField(source="optimization.model_type")
    optimization_id = serializers.UUIDField()
    status = serializers.ChoiceField(source="current_status", choices=ModelStatus.choices)
    training_data_config = TrainingDataConfigOutput(source="optimization.training_data_config")

    class Meta:
        model = BanditModel
        fields = [
            "id", "optimization_id", "model_type", "status", "version", "trained_at", "training_data_config",
            "created_at", "updated_at",
        ]  # fmt: skip


class ModelList(serializers.Serializer[Any]):
    models = ModelOutput(many=True)


class IntervalOutput(serializers.Serializer[Any]):
    mean = serializers.FloatField()
    ci_lower = serializers.FloatField()
    ci_upper = serializers.FloatField()


class InSampleMetrics(serializers.Serializer[Any]):
    historic_reward = serializers.FloatField(allow_null=True)
    expected_reward = IntervalOutput(allow_null=True)


class Trained(serializers.Serializer[Any]):
    model_id = serializers.UUIDField()
    status = serializers.CharField()
    in_sample_metrics = InSampleMetrics()
    model_version = serializers.IntegerField()
    observations = serializers.IntegerField()
    training_run_id = serializers.UUIDField()
