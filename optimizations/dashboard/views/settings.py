"""An optimization's settings: its name, its exploration, and its end."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect

from levered_site.errors import DomainError
from optimizations.config import Config
from optimizations.dashboard.issues import add_issues
from optimizations.dashboard.optimization_forms import BiasForm, ConfirmForm, DetailsForm, HoldoutForm
from optimizations.dashboard.views.optimization import OptimizationTab
from optimizations.models import BanditModel, Optimization, TrainingRun
from optimizations.services import lifecycle, training
from optimizations.services.observations import config_of
from optimizations.services.results import holdout_history
from optimizations.states import MOVES, Status


class SettingsView(OptimizationTab):
    """Shows every form; each of the views below submits one of them."""

    tab = "settings"
    read_scope = "manage"

    def content(self, optimization: Optimization, config: Config, **submitted: Form) -> dict[str, Any]:
        model = lifecycle.active_model(optimization)
        forms: dict[str, Any] = {
            "details": DetailsForm(initial={"name": optimization.name, "description": optimization.description}),
            "holdout": HoldoutForm(initial={"holdout_percentage": optimization.holdout_percentage}),
            "bias": BiasForm(prefix="bias", factors=config.design, initial=model.bias if model else {}),
            "complete": ConfirmForm(name=optimization.name, auto_id="complete_%s"),
            "archive": ConfirmForm(name=optimization.name, auto_id="archive_%s"),
        }
        return {
            "forms": forms | submitted,
            "open": next((name for name in submitted if name in ("complete", "archive")), ""),
            "config": config,
            "model": model,
            "regimes": holdout_history(optimization),
            "can_hold_out": optimization.status == Status.LIVE,
            "can_bias": model is not None and optimization.status == Status.LIVE,
            "can_complete": Status.COMPLETED in MOVES[optimization.status],
            "can_archive": Status.ARCHIVED in MOVES[optimization.status],
        }

    def refused(self, optimization: Optimization, **submitted: Form) -> HttpResponse:
        """The page with one form as it was submitted. The header keeps the name that is stored."""
        stored = lifecycle.get_optimization(self.organization, optimization.pk)
        return self.show(stored, self.content(stored, config_of(stored), **submitted), status=400)


class DetailsView(SettingsView):
    http_method_names = ["post"]

    def post(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        form = DetailsForm(request.POST)
        if not form.is_valid():
            return self.refused(optimization, details=form)
        lifecycle.update_optimization(optimization, **form.cleaned_data)
        messages.success(request, "Saved.")
        return redirect("dashboard:optimization-settings", optimization.pk)


class HoldoutView(SettingsView):
    http_method_names = ["post"]

    def post(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        form = HoldoutForm(request.POST)
        if not form.is_valid():
            return self.refused(optimization, holdout=form)
        before = optimization.holdout_percentage
        try:
            lifecycle.update_optimization(optimization, **form.cleaned_data)
        except DomainError as error:
            add_issues(form, error, fields={"holdout_percentage": "holdout_percentage"})
            return self.refused(optimization, holdout=form)
        if optimization.holdout_percentage != before:
            messages.success(request, f"The holdout is {optimization.holdout_percentage}% from now on.")
        return redirect("dashboard:optimization-settings", optimization.pk)


class BiasView(SettingsView):
    http_method_names = ["post"]

    def post(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        form = BiasForm(request.POST, prefix="bias", factors=config_of(optimization).design)
        model = lifecycle.active_model(optimization)
        if model is None or not form.is_valid():
            return self.refused(optimization, bias=form)
        try:
            self._train(model, form.bias())
        except DomainError as error:
            add_issues(form, error, fields={f"bias.{name}": name for name in form.fields})
            return self.refused(optimization, bias=form)
        messages.success(request, "The model is trained with the new exploration.")
        return redirect("dashboard:optimization-settings", optimization.pk)

    def _train(self, model: BanditModel, bias: dict[str, float]) -> None:
        training.train(model, trigger=TrainingRun.Trigger.DASHBOARD, bias=bias)


class MoveView(SettingsView):
    """Completes or archives, once the optimization's name was typed: neither can be undone."""

    http_method_names = ["post"]
    status: str = ""
    form_name: str = ""
    done: str = ""

    def post(self, request: Any, optimization_id: UUID) -> HttpResponse:
        optimization = lifecycle.get_optimization(self.organization, optimization_id)
        form = ConfirmForm(request.POST, name=optimization.name, auto_id=f"{self.form_name}_%s")
        if not form.is_valid():
            return self.refused(optimization, **{self.form_name: form})
        try:
            lifecycle.update_optimization(optimization, status=self.status)
        except DomainError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, self.done)
        return redirect("dashboard:optimization", optimization.pk)
