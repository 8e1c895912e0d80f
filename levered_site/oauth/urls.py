"""The toolkit's views under our addresses. They find each other by these names, in its namespace."""

from django.urls import path
from oauth2_provider import views

from levered_site.oauth.access import as_json, limited, own
from levered_site.oauth.consent import ConsentView
from levered_site.oauth.registration import bounded

app_name = "oauth2_provider"

metadata = own(views.OAuthServerMetadataView.as_view())
token = own(limited(as_json(views.TokenView.as_view())))
revoke = own(limited(as_json(views.RevokeTokenView.as_view())))
register = own(limited(bounded(views.DynamicClientRegistrationView.as_view())))
manage = own(limited(bounded(views.DynamicClientRegistrationManagementView.as_view())))

urlpatterns = [
    path(".well-known/oauth-authorization-server", metadata, name="oauth-server-metadata"),
    path("oauth/authorize", own(ConsentView.as_view()), name="authorize"),
    path("oauth/token", token, name="token"),
    path("oauth/revoke", revoke, name="revoke-token"),
    path("oauth/register", register, name="dcr-register"),
    path("oauth/register/<str:client_id>", manage, name="dcr-register-management"),
]
