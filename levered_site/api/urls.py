from django.urls import path

from levered_site.api.audit import AuditLogView
from levered_site.api.keys import ApiKeyDetailView, ApiKeyListView, MeView

urlpatterns = [
    path("me", MeView.as_view(), name="me"),
    path("api-keys", ApiKeyListView.as_view(), name="api-keys"),
    path("audit-log", AuditLogView.as_view(), name="audit-log"),
    path("api-keys/<uuid:key_id>", ApiKeyDetailView.as_view(), name="api-key"),
]
