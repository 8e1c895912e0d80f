"""The forms of the organization's settings: members, API keys, what the audit log is narrowed by."""

from typing import Any

from django import forms

from levered_site.organizations.models import Membership, Role, Scope
from optimizations.dashboard.widgets import select, text

ROLES = [(role.value, role.value.capitalize()) for role in Role]
DOORS = [("api", "API"), ("dashboard", "Dashboard"), ("mcp", "Agent"), ("admin", "Admin"), ("system", "System")]
SCOPE_TEXTS = {
    Scope.INGEST: "Send exposures and rewards",
    Scope.READ: "Read optimizations, models, metrics and results",
    Scope.MANAGE: "Change everything, and make further keys",
}


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=ROLES, initial=Role.MEMBER, widget=select())

    @classmethod
    def of(cls, member: Membership) -> "RoleForm":
        """A member's form in the list: the page has many, so each field has an id of its own."""
        form = cls(initial={"role": member.role}, auto_id=f"role_{member.public_id}_%s")
        form.fields["role"].widget.attrs["aria-label"] = f"Role of {member.user}"
        return form


class InvitationForm(RoleForm):
    email = forms.EmailField(
        label="E-mail address",
        widget=forms.EmailInput(attrs={"class": "input", "placeholder": "ada@example.com", "autocomplete": "off"}),
    )
    role = forms.ChoiceField(
        choices=ROLES,
        initial=Role.MEMBER,
        widget=select(),
        help_text="Admins do everything; members all but keys, connections and members; viewers only read.",
    )
    field_order = ["email", "role"]


class ApiKeyForm(forms.Form):
    name = forms.CharField(max_length=200, widget=text("Production website"))
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, label) for scope, label in SCOPE_TEXTS.items()],
        initial=[Scope.INGEST.value],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "checkbox checkbox-primary checkbox-sm mt-0.5"}),
        error_messages={"required": "Choose at least one scope."},
    )


class AuditFilterForm(forms.Form):
    """What the audit log is narrowed by; nothing is required."""

    actor = forms.CharField(label="Who", required=False, max_length=300, widget=text("Address or key"))
    action = forms.ChoiceField(label="What happened", required=False, widget=select())
    object_name = forms.CharField(label="Object", required=False, max_length=300, widget=text("Name"))
    door = forms.ChoiceField(label="Through", required=False, choices=[("", "Any door"), *DOORS], widget=select())

    def __init__(self, *args: Any, actions: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = self.fields["action"]
        assert isinstance(source, forms.ChoiceField)
        source.choices = [("", "Anything"), *actions]
