"""What the list of optimizations can be narrowed by."""

import django_filters  # type: ignore[import-untyped]
from django.db.models import QuerySet

from optimizations.models import Optimization
from optimizations.states import Status


class OptimizationFilter(django_filters.FilterSet):
    """`status` (default: everything but the archived) and `search` in the name."""

    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains")
    status = django_filters.ChoiceFilter(choices=Status.choices)

    class Meta:
        model = Optimization
        fields = ["search", "status"]

    def filter_queryset(self, queryset: QuerySet[Optimization]) -> QuerySet[Optimization]:
        found: QuerySet[Optimization] = super().filter_queryset(queryset)
        return found if self.form.cleaned_data.get("status") else found.exclude(status=Status.ARCHIVED)
