"""Who may open a page: signed in, member of an organization, with the scope that the page asks for."""

from typing import Any, cast

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render, resolve_url
from django.views import View
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from levered_site.api.authentication import SESSION_ORGANIZATION
from levered_site.errors import Forbidden, NotFound
from levered_site.organizations.models import Organization, User
from levered_site.organizations.principals import Principal
from levered_site.organizations.services import chosen_membership, memberships_of

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class DashboardRequest(HttpRequest):
    """A request below `DashboardView`: the caller, the organization, and all that the caller belongs to are known."""

    user: User
    htmx: HtmxDetails
    principal: Principal
    organization: Organization
    organizations: list[Organization]


class DashboardView(View):
    """A page of one organization, for callers with `read_scope`; changes need `write_scope`.

    What belongs to another organization is a 404: its existence is not told.
    """

    section = ""
    read_scope = "read"
    write_scope = "manage"
    request: DashboardRequest

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return self._sign_in(request)
        memberships = memberships_of(request.user)
        membership = chosen_membership(memberships, request.session.get(SESSION_ORGANIZATION))
        if membership is None:
            raise PermissionDenied("You are not a member of any organization. Ask an administrator to add you.")
        ours = cast(DashboardRequest, request)
        ours.principal = Principal.of_membership(membership)
        ours.organization = membership.organization
        ours.organizations = [one.organization for one in memberships]
        if not ours.principal.may(self.read_scope if request.method in SAFE_METHODS else self.write_scope):
            raise PermissionDenied
        try:
            return super().dispatch(request, *args, **kwargs)
        except NotFound as error:
            raise Http404(error.message) from error
        except Forbidden as error:
            raise PermissionDenied(error.message) from error

    def _sign_in(self, request: HttpRequest) -> HttpResponse:
        if cast(DashboardRequest, request).htmx:  # a redirect would put the sign-in page into the middle of this one
            return HttpResponseClientRedirect(resolve_url(settings.LOGIN_URL))
        return redirect_to_login(request.get_full_path())

    @property
    def organization(self) -> Organization:
        return self.request.organization

    def page(self, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
        """The template with what every page needs: where we are and what the caller may do."""
        shared = {
            "section": self.section,
            "can_edit": self.request.principal.may("manage"),
            "can_manage": self.request.principal.may("administer"),
        }
        return render(self.request, template, shared | context, status=status)
