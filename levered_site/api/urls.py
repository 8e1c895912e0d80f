from django.urls import path

from levered_site.api.audit import AuditLogView
from levered_site.api.connected import ConnectedApplicationDetailView, ConnectedApplicationListView
from levered_site.api.keys import ApiKeyDetailView, ApiKeyListView, MeView
from levered_site.api.members import InvitationListView, InvitationView, MemberListView, MemberView

urlpatterns = [
    path("me", MeView.as_view(), name="me"),
    path("api-keys", ApiKeyListView.as_view(), name="api-keys"),
    path("audit-log", AuditLogView.as_view(), name="audit-log"),
    path("api-keys/<uuid:key_id>", ApiKeyDetailView.as_view(), name="api-key"),
    path("connected-applications", ConnectedApplicationListView.as_view(), name="connected-applications"),
    path(
        "connected-applications/<uuid:connection_id>",
        ConnectedApplicationDetailView.as_view(),
        name="connected-application",
    ),
    path("members", MemberListView.as_view(), name="members"),
    path("members/<uuid:member_id>", MemberView.as_view(), name="member"),
    path("invitations", InvitationListView.as_view(), name="invitations"),
    path("invitations/<uuid:invitation_id>", InvitationView.as_view(), name="invitation"),
]
