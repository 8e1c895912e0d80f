"""The page behind an invitation's link: an account for whoever has none yet, and the membership."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import login
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache

from levered_site.api.authentication import SESSION_ORGANIZATION
from levered_site.errors import Conflict
from levered_site.organizations.members import find_invitation, join, join_as_new_user
from levered_site.organizations.models import Invitation, Membership, User

if TYPE_CHECKING:
    PasswordBase = SetPasswordForm[User]
else:
    PasswordBase = SetPasswordForm
BACKEND = "levered_site.organizations.backends.PasswordBackend"


class PasswordForm(PasswordBase):
    """A new account's password, judged against its address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in (("new_password1", "Password"), ("new_password2", "The same again")):
            field: forms.Field = self.fields[name]
            field.label = label
            field.help_text = ""
            field.widget.attrs["class"] = "input"
        self.fields["new_password1"].help_text = "At least 10 characters."


@method_decorator(never_cache, name="dispatch")
class JoinView(View):
    """Three ways in: signed in with the invited address, with an account but signed out, or without an account."""

    def get(self, request: HttpRequest) -> HttpResponse:
        invitation = self._invitation(request)
        if invitation is None:
            return self._page(None, status=404)
        if not request.user.is_authenticated and self._has_account(invitation):
            return redirect_to_login(request.get_full_path())
        return self._page(invitation, form=self._form(invitation))

    def post(self, request: HttpRequest) -> HttpResponse:
        invitation = self._invitation(request)
        if invitation is None:
            return self._page(None, status=404)
        try:
            if isinstance(request.user, User):
                return self._joined(join(invitation, user=request.user))
            if self._has_account(invitation):
                return redirect_to_login(request.get_full_path())
            form = self._form(invitation, request.POST)
            if not form.is_valid():
                return self._page(invitation, form=form, status=400)
            member = join_as_new_user(invitation, password=form.cleaned_data["new_password1"])
        except Conflict as error:
            return self._page(invitation, refusal=error.message, status=409)
        login(request, member.user, backend=BACKEND)
        return self._joined(member)

    def _joined(self, member: Membership) -> HttpResponse:
        self.request.session[SESSION_ORGANIZATION] = member.organization.public_id
        return redirect("dashboard:optimizations")

    def _invitation(self, request: HttpRequest) -> Invitation | None:
        return find_invitation(request.GET.get("invitation", ""))

    def _has_account(self, invitation: Invitation) -> bool:
        return User.objects.filter(email=invitation.email).exists()

    def _form(self, invitation: Invitation, data: Any = None) -> PasswordForm:
        return PasswordForm(User(email=invitation.email), data)

    def _page(
        self, invitation: Invitation | None, *, form: PasswordForm | None = None, refusal: str = "", status: int = 200
    ) -> HttpResponse:
        mine = invitation is not None and getattr(self.request.user, "email", None) == invitation.email
        shown = {"invitation": invitation, "form": form, "refusal": refusal, "mine": mine}
        return render(self.request, "registration/join.html", shown, status=status)
