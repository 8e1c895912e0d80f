"""The operator's view. What changes an optimization goes through the services, as everywhere."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display

from levered_site.errors import DomainError
from levered_site.queue import enqueue
from optimizations.models import BanditModel, Guardrail, Optimization, PosteriorVersion, TrainingRun
from optimizations.services.lifecycle import archive_optimization, update_optimization
from optimizations.states import ModelStatus, Status
from optimizations.templatetags.figures import MISSING, count, signed

STATE = ["organization", "status", "created_by", "created_at", "updated_at", "completed_at", "archived_at"]
DESIGN = [
    "model_type", "holdout_percentage", "reward_metric", "assignment_source", "excluded_combinations",
    "training_data_config",
]  # fmt: skip
STATUS_TONES = {Status.LIVE: "success", Status.COMPLETED: "info", Status.ARCHIVED: "warning"}
OUTCOME_TONES = {
    TrainingRun.Outcome.SUCCEEDED: "success",
    TrainingRun.Outcome.FAILED: "danger",
    TrainingRun.Outcome.RUNNING: "info",
}


class ReadOnly(ModelAdmin):
    """Shows rows; the product alone writes them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class GuardrailInline(TabularInline):
    model = Guardrail
    extra = 0
    can_delete = False
    readonly_fields = ["metric", "direction", "margin_percent"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Optimization)
class OptimizationAdmin(ModelAdmin):
    list_display = ["name", "organization", "state", "lift", "exposures", "model_type", "holdout", "updated_at"]
    list_filter = ["status", "model_type", "organization"]
    list_select_related = ["organization"]
    search_fields = ["name", "id"]
    date_hierarchy = "created_at"
    inlines = [GuardrailInline]
    actions = ["train", "complete", "archive"]
    fieldsets = [
        (None, {"fields": ["name", "description"]}),
        ("State", {"fields": STATE}),
        ("Design", {"fields": DESIGN}),
        ("Results", {"fields": ["summary"]}),
    ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        every = [field for _, options in self.fieldsets for field in options["fields"]]
        return [field for field in every if field not in {"name", "description"}]

    @display(description="Status", ordering="status", label=STATUS_TONES)  # type: ignore[untyped-decorator]
    def state(self, obj: Optimization) -> tuple[str, str]:
        return obj.status, obj.get_status_display()

    @admin.display(description="Lift")
    def lift(self, obj: Optimization) -> str:
        summary = obj.summary or {}
        if summary.get("lift") is None:
            return MISSING
        low, high = summary.get("lift_ci") or (None, None)
        return f"{signed(summary['lift'])} " + ("modeled" if low is None else f"({signed(low)} to {signed(high)})")

    @admin.display(description="Exposures")
    def exposures(self, obj: Optimization) -> str:
        return count((obj.summary or {}).get("exposures"))

    @admin.display(description="Holdout", ordering="holdout_percentage")
    def holdout(self, obj: Optimization) -> str:
        return f"{obj.holdout_percentage}%"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # an optimization is made where its design is checked: in the dashboard or by the API

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # archiving keeps the data

    def save_model(self, request: HttpRequest, obj: Optimization, form: Any, change: bool) -> None:
        update_optimization(obj, name=obj.name, description=obj.description)

    @admin.action(description="Train the models of the selected optimizations")
    def train(self, request: HttpRequest, queryset: QuerySet[Optimization]) -> None:
        models = BanditModel.objects.filter(optimization__in=queryset).exclude(status=ModelStatus.ARCHIVED)
        for pk in models.values_list("pk", flat=True):
            enqueue("optimizations.tasks.train_model", str(pk), TrainingRun.Trigger.ADMIN)
        messages.info(request, f"{models.count()} trainings queued.")

    @admin.action(description="Complete: serve the winner to everyone")
    def complete(self, request: HttpRequest, queryset: QuerySet[Optimization]) -> None:
        self._each(request, queryset, lambda o: update_optimization(o, status=Status.COMPLETED))

    @admin.action(description="Archive: stop serving, keep the data")
    def archive(self, request: HttpRequest, queryset: QuerySet[Optimization]) -> None:
        self._each(request, queryset, archive_optimization)

    def _each(
        self, request: HttpRequest, queryset: QuerySet[Optimization], change: Callable[[Optimization], Any]
    ) -> None:
        for optimization in queryset:
            try:
                change(optimization)
            except DomainError as error:
                messages.error(request, f"{optimization}: {error.message}")
            else:
                messages.success(request, f"{optimization}: done.")


@admin.register(BanditModel)
class BanditModelAdmin(ReadOnly):
    list_display = ["optimization", "organization", "status", "version", "trained_at", "training_claimed_at"]
    list_filter = ["status", "organization"]
    list_select_related = ["optimization", "organization"]
    search_fields = ["optimization__name", "id"]


@admin.register(PosteriorVersion)
class PosteriorVersionAdmin(ReadOnly):
    list_display = ["model", "version", "seen", "created_at"]
    list_filter = ["model__organization"]
    list_select_related = ["model__optimization"]
    fields = ["model", "version", "seen", "bias", "created_at", "decisions"]
    readonly_fields = ["seen", "decisions", "created_at"]

    @admin.display(description="Observations", ordering="observations")
    def seen(self, obj: PosteriorVersion) -> str:
        return count(obj.observations)

    @admin.display(description="Decision log")
    def decisions(self, obj: PosteriorVersion) -> str:
        """A line per context: its level codes, and how many slots each variant has."""
        lines = [
            (", ".join(map(str, codes)) or "all", " · ".join(f"#{variant + 1}: {slots}" for variant, slots in shares))
            for codes, shares in obj.shares
        ]
        return format_html_join(mark_safe("<br>"), "context {}: {}", lines)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PosteriorVersion]:
        return super().get_queryset(request).defer("blob", "shares")  # type: ignore[no-any-return]


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnly):
    list_display = ["optimization", "result", "trigger", "version", "seen", "started_at", "seconds", "error"]
    list_filter = ["outcome", "trigger", "model__organization"]
    list_select_related = ["model__optimization"]
    date_hierarchy = "started_at"

    @admin.display(description="Optimization", ordering="model__optimization__name")
    def optimization(self, obj: TrainingRun) -> str:
        return obj.model.optimization.name

    @display(description="Result", ordering="outcome", label=OUTCOME_TONES)  # type: ignore[untyped-decorator]
    def result(self, obj: TrainingRun) -> tuple[str, str]:
        return obj.outcome, obj.get_outcome_display()

    @admin.display(description="Observations", ordering="observations")
    def seen(self, obj: TrainingRun) -> str:
        return count(obj.observations)

    @admin.display(description="Duration")
    def seconds(self, obj: TrainingRun) -> str:
        return f"{(obj.finished_at - obj.started_at).total_seconds():.2f} s" if obj.finished_at else MISSING
