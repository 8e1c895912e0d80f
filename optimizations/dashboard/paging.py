"""A page of a list, and the query strings of its neighbours."""

from collections.abc import Sequence
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest


def paged(request: HttpRequest, items: QuerySet[Any] | Sequence[Any], *, size: int) -> dict[str, Any]:
    """`page`, `previous_query` and `next_query`, as `dashboard/parts/pager.html` expects them."""
    page: Page[Any] = Paginator(items, size).get_page(request.GET.get("page"))

    def query(number: int) -> str:
        parameters = request.GET.copy()
        parameters["page"] = str(number)
        return parameters.urlencode()

    return {
        "page": page,
        "previous_query": query(page.previous_page_number()) if page.has_previous() else "",
        "next_query": query(page.next_page_number()) if page.has_next() else "",
    }
