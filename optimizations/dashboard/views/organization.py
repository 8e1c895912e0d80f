"""The organization whose pages are shown, for people who belong to several."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect

from levered_site.api.authentication import SESSION_ORGANIZATION
from optimizations.dashboard.access import DashboardView


class ChooseOrganizationView(DashboardView):
    """Remembers the choice in the session, where the API reads it too."""

    write_scope = "read"
    http_method_names = ["post"]

    def post(self, request: Any) -> HttpResponse:
        wanted = request.POST.get("organization")
        chosen = next((one for one in request.organizations if one.public_id == wanted), None)
        if chosen is None:
            raise Http404("Organization not found")
        request.session[SESSION_ORGANIZATION] = chosen.public_id
        messages.info(request, f"You now see {chosen.name}.")
        return redirect("dashboard:optimizations")
