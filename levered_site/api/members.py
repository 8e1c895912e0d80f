"""`/members` and `/invitations`."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from levered_site.api.authentication import TenantRequest
from levered_site.api.schema import errors
from levered_site.api.views import StrictSerializer, TenantView, validated
from levered_site.organizations import members
from levered_site.organizations.models import Invitation, Membership, Role


class RoleInput(StrictSerializer):
    role = serializers.ChoiceField(choices=Role.choices)


class InvitationInput(RoleInput):
    email = serializers.EmailField()


class MemberOutput(serializers.ModelSerializer[Membership]):
    id = serializers.UUIDField(source="public_id")
    email = serializers.EmailField(source="user.email")
    name = serializers.CharField(source="user.get_full_name")
    last_login = serializers.DateTimeField(source="user.last_login", allow_null=True)

    class Meta:
        model = Membership
        fields = ["id", "email", "name", "role", "created_at", "last_login"]


class InvitationOutput(serializers.ModelSerializer[Invitation]):
    class Meta:
        model = Invitation
        fields = ["id", "email", "role", "created_at", "expires_at"]


class InvitationCreated(InvitationOutput):
    url = serializers.CharField(help_text="Where the person joins. It is shown this once and cannot be read again.")

    class Meta(InvitationOutput.Meta):
        fields = [*InvitationOutput.Meta.fields, "url"]


class MemberList(serializers.Serializer[Any]):
    members = MemberOutput(many=True)
    invitations = InvitationOutput(many=True)


class MemberListView(TenantView):
    required_scope = "administer"

    @extend_schema(tags=["Account"], summary="List members", responses={200: MemberList, **errors(401, 403, 429)})
    def get(self, request: TenantRequest) -> Response:
        """Who belongs to the organization, in the order they joined, and who is invited."""
        found = MemberOutput(members.list_members(self.organization), many=True).data
        invited = InvitationOutput(members.list_invitations(self.organization), many=True).data
        return Response({"members": found, "invitations": invited})


class MemberView(TenantView):
    required_scope = "administer"

    @extend_schema(
        tags=["Account"],
        summary="Change a member's role",
        request=RoleInput,
        responses={200: MemberOutput, **errors(400, 401, 403, 404, 409, 413, 415, 429)},
    )
    def patch(self, request: TenantRequest, member_id: UUID) -> Response:
        """409 for the last admin."""
        members.get_member(self.organization, member_id=member_id)
        member = members.change_role(self.organization, member_id=member_id, **validated(RoleInput, request))
        return Response(MemberOutput(member).data)

    @extend_schema(
        tags=["Account"], summary="Remove a member", responses={204: None, **errors(401, 403, 404, 409, 429)}
    )
    def delete(self, request: TenantRequest, member_id: UUID) -> Response:
        """Ends the membership; the person keeps their account. 409 for the last admin."""
        members.remove_member(self.organization, member_id=member_id)
        return Response(status=204)


class InvitationListView(TenantView):
    required_scope = "administer"

    @extend_schema(
        tags=["Account"],
        summary="Invite a person",
        request=InvitationInput,
        responses={201: InvitationCreated, **errors(400, 401, 403, 413, 415, 429)},
    )
    def post(self, request: TenantRequest) -> Response:
        """The answer's `url` is the only time it is shown; it is mailed as well when a mail server is configured.
        An invitation to the same address takes the place of an older one."""
        invitation, link = members.invite(
            self.organization,
            **validated(InvitationInput, request),
            base_url=request.build_absolute_uri("/").rstrip("/"),
            created_by=request.user.user,
        )
        return Response(dict(InvitationOutput(invitation).data) | {"url": link}, status=201)


class InvitationView(TenantView):
    required_scope = "administer"

    @extend_schema(
        tags=["Account"], summary="Withdraw an invitation", responses={204: None, **errors(401, 403, 404, 429)}
    )
    def delete(self, request: TenantRequest, invitation_id: UUID) -> Response:
        """Its link stops working at once."""
        members.withdraw_invitation(self.organization, invitation_id=invitation_id)
        return Response(status=204)
