"""What staff change in the admin is in the audit log of the organization that it concerns."""

from collections.abc import Iterable
from typing import Any

from django.db import models, transaction
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from levered_site.organizations import audit
from levered_site.organizations.models import Organization, User

_SECRET = {"password", "secret_hash", "token"}


class AuditedAdmin(ModelAdmin):
    """For models that staff may edit directly. Those with rules of their own are changed by services, which record."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        names = [n for n in form.changed_data if n in _columns(obj)]
        with transaction.atomic():
            before = type(obj).objects.values(*names).get(pk=obj.pk) if change and names else None
            super().save_model(request, obj, form, change)
            for organization in _concerned(obj):
                after = {name: _plain(getattr(obj, name)) for name in names}
                verb = "updated" if change else "created"
                audit.record_difference(organization, f"{obj._meta.model_name}.{verb}", obj, before, after)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        obj = form.instance
        names = [f.name for f in obj._meta.many_to_many if f.name in form.changed_data] if change else []
        with transaction.atomic():
            before = {name: _names(form.initial.get(name) or []) for name in names}
            super().save_related(request, form, formsets, change)
            if names:
                after = {name: _names(getattr(obj, name).all()) for name in names}
                self._record(obj, "updated", before=before, after=after)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        with transaction.atomic():
            super().save_formset(request, form, formset, change)
            for obj in formset.new_objects:
                self._record(obj, "created", after=_values(obj))
            shown = {row.instance.pk: row.initial for row in formset.initial_forms}
            for obj, names in formset.changed_objects:
                before = {name: shown[obj.pk].get(name) for name in names}
                self._record(obj, "updated", before=before, after={n: _plain(getattr(obj, n)) for n in names})
            for obj in formset.deleted_objects:
                self._record(obj, "deleted", before=_values(obj))

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        with transaction.atomic():
            if not isinstance(obj, Organization):  # its log goes with it
                self._record(obj, "deleted", before=_values(obj))
            super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def _record(self, obj: Any, verb: str, **told: Any) -> None:
        for organization in _concerned(obj):
            audit.record(organization, f"{obj._meta.model_name}.{verb}", obj, **told)


def _concerned(obj: Any) -> Iterable[Organization]:
    if isinstance(obj, Organization):
        return [obj]
    if isinstance(obj, User):
        return obj.organizations.all()
    return [obj.organization]


def _columns(obj: models.Model) -> set[str]:
    return {field.name for field in obj._meta.concrete_fields} - _SECRET


def _values(obj: models.Model) -> dict[str, Any]:
    return {name: _plain(getattr(obj, name)) for name in _columns(obj)}


def _names(objects: Iterable[Any]) -> list[str]:
    return sorted(map(str, objects))


def _plain(value: Any) -> Any:
    return value.pk if isinstance(value, models.Model) else value
