"""The operator's view. What changes an optimization goes through the services, as everywhere."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from levered_site.errors import DomainError
from levered_site.queue import enqueue
from optimizations.models import BanditModel, Guardrail, Optimization, PosteriorVersion, TrainingRun
from optimizations.services.lifecycle import archive_optimization, update_optimization
from optimizations.states import ModelStatus, Status


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
    list_display = ["name", "organization", "status", "model_type", "holdout_percentage", "created_at", "updated_at"]
    list_filter = ["status", "model_type", "organization"]
    list_select_related = ["organization"]
    search_fields = ["name", "id"]
    date_hierarchy = "created_at"
    inlines = [GuardrailInline]
    actions = ["train", "complete", "archive"]
    fields = [
        "name", "description", "organization", "status", "model_type", "holdout_percentage", "training_data_config",
        "excluded_combinations", "reward_metric", "assignment_source", "summary", "created_by", "created_at",
        "updated_at", "completed_at", "archived_at",
    ]  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [f for f in self.fields if f not in {"name", "description"}]

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
    list_display = ["model", "version", "observations", "created_at"]
    list_filter = ["model__organization"]
    list_select_related = ["model__optimization"]
    exclude = ["blob"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[PosteriorVersion]:
        return super().get_queryset(request).defer("blob", "shares")  # type: ignore[no-any-return]


@admin.register(TrainingRun)
class TrainingRunAdmin(ReadOnly):
    list_display = ["model", "trigger", "outcome", "version", "observations", "started_at", "finished_at", "error"]
    list_filter = ["outcome", "trigger", "model__organization"]
    list_select_related = ["model__optimization"]
    date_hierarchy = "started_at"
