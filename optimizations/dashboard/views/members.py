"""Settings > Members. An invitation's link is in the one answer that made it, as a key's secret is."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from levered_site.errors import Conflict, InvalidRequest
from levered_site.organizations import members
from optimizations.dashboard.access import DashboardView
from optimizations.dashboard.issues import add_issues
from optimizations.dashboard.organization_forms import InvitationForm, RoleForm


class MembersView(DashboardView):
    section = "members"
    read_scope = write_scope = "administer"

    def get(self, request: Any) -> HttpResponse:
        return self._page(InvitationForm())

    @method_decorator(never_cache)
    def post(self, request: Any) -> HttpResponse:
        form = InvitationForm(request.POST)
        if form.is_valid():
            base_url = request.build_absolute_uri("/").rstrip("/")
            try:
                invitation, link = members.invite(
                    self.organization, **form.cleaned_data, base_url=base_url, created_by=request.user
                )
            except InvalidRequest as error:
                add_issues(form, error)
            else:
                return self._page(InvitationForm(), created={"email": invitation.email, "link": link})
        return self._page(form, status=400)

    def _page(self, form: InvitationForm, *, created: dict[str, str] | None = None, status: int = 200) -> HttpResponse:
        found = list(members.list_members(self.organization))
        context = {
            "members": [{"member": one, "form": RoleForm.of(one)} for one in found],
            "invitations": members.list_invitations(self.organization),
            "form": form,
            "created": created,
            "days": members.INVITATION_DAYS,
        }
        return self.page("dashboard/members.html", context, status=status)


class MemberRoleView(DashboardView):
    write_scope = "administer"
    http_method_names = ["post"]

    def post(self, request: Any, member_id: UUID) -> HttpResponse:
        role = request.POST.get("role", "")
        try:
            member = members.change_role(self.organization, member_id=member_id, role=role)
        except (Conflict, InvalidRequest) as error:
            messages.error(request, error.message)
        else:
            messages.success(request, f"{member.user} is now {member.role}.")
            if member.user == request.user:  # whoever gave up the role may not see the page any more
                return redirect("dashboard:optimizations")
        return redirect("dashboard:members")


class RemoveMemberView(DashboardView):
    write_scope = "administer"
    http_method_names = ["post"]

    def post(self, request: Any, member_id: UUID) -> HttpResponse:
        try:
            member = members.remove_member(self.organization, member_id=member_id)
        except Conflict as error:
            messages.error(request, error.message)
        else:
            messages.success(request, f"{member.user} is not a member any more.")
            if member.user == request.user:
                return redirect("dashboard:optimizations")
        return redirect("dashboard:members")


class WithdrawInvitationView(DashboardView):
    write_scope = "administer"
    http_method_names = ["post"]

    def post(self, request: Any, invitation_id: UUID) -> HttpResponse:
        invitation = members.withdraw_invitation(self.organization, invitation_id=invitation_id)
        messages.success(request, f"The invitation of {invitation.email} is withdrawn.")
        return redirect("dashboard:members")
