"""The forms of Settings > Members."""

from django import forms

from levered_site.organizations.models import Membership, Role
from optimizations.dashboard.forms import select

ROLES = [(role.value, role.value.capitalize()) for role in Role]


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
