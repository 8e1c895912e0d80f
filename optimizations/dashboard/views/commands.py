"""Where the command palette asks."""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse, JsonResponse

from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.commands import commands


class _Escaping(DjangoJSONEncoder):
    """Names are anybody's text: no byte of it is markup, whatever takes the answer for a page."""

    def encode(self, o: Any) -> str:
        return super().encode(o).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class CommandsView(DashboardView):
    def get(self, request: Any) -> HttpResponse:
        found = commands(self.organization, request.principal, request.GET.get("q", "")[:200])
        return JsonResponse({"commands": found}, encoder=_Escaping)
