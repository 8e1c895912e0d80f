"""`/oauth/authorize`: a person decides what a client may do, in which organization."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from oauth2_provider.exceptions import OAuthToolkitError
from oauth2_provider.forms import AllowForm
from oauth2_provider.models import Application
from oauth2_provider.views import AuthorizationView
from oauthlib.oauth2.rfc6749.errors import CustomOAuth2Error

from levered_site.api.authentication import SESSION_ORGANIZATION
from levered_site.organizations.applications import connect
from levered_site.organizations.models import Membership
from levered_site.organizations.services import membership_of

RESOURCES = ("/mcp", "/api/v2", "/", "")  # RFC 8707: what a token of ours may be meant for; they share one authority


class ConsentForm(AllowForm):
    """The toolkit's hidden fields, and the organization. A hidden field may come back as anything."""

    organization = forms.ChoiceField(widget=forms.RadioSelect, required=False)

    def __init__(self, *args: Any, memberships: list[Membership], resources: set[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.memberships = {m.organization.public_id: m for m in memberships}
        self.resources = resources
        choices = [(key, m.organization.name) for key, m in self.memberships.items()]
        self.fields["organization"].choices = choices

    def clean_resource(self) -> str:
        resource: str = self.cleaned_data["resource"]
        if set(resource.split()) - self.resources:
            raise forms.ValidationError("Access to that is not ours to give.")
        return resource

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        self.application = Application.objects.filter(client_id=cleaned.get("client_id", "")).first()
        if self.application is None:
            self.add_error("client_id", "This application is not known here.")
        elif not self.application.redirect_uri_allowed(cleaned.get("redirect_uri", "")):
            self.add_error("redirect_uri", "This is not an address of the application.")
        if cleaned.get("allow") and not cleaned.get("organization"):
            self.add_error("organization", "Choose an organization.")
        return cleaned


class ConsentView(AuthorizationView):
    template_name = "oauth/consent.html"
    form_class = ConsentForm

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "resource" not in request.GET:
            asked = request.GET.copy()
            asked["resource"] = request.build_absolute_uri(RESOURCES[0])
            request.GET = asked  # type: ignore[assignment]  # from here on no token is without its audience
        response: HttpResponse = super().get(request, *args, **kwargs)
        return response

    def validate_authorization_request(self, request: HttpRequest) -> tuple[list[str], dict[str, Any]]:
        scopes, credentials = super().validate_authorization_request(request)
        if credentials.get("code_challenge_method") != "S256":
            raise _told(credentials, "invalid_request", "PKCE with S256 is required.")
        if set(request.GET.getlist("resource")) - self._resources():
            raise _told(credentials, "invalid_target", "This server gives access to itself only.")
        return scopes, credentials

    def form_valid(self, form: ConsentForm) -> HttpResponse:
        told = form.cleaned_data
        with transaction.atomic():
            if told["allow"]:
                organization = form.memberships[told["organization"]].organization
                user: Any = self.request.user
                connect(user, organization, application=form.application, scopes=told["scope"].split())
            response: HttpResponse = super().form_valid(form)
        return response

    def form_invalid(self, form: ConsentForm) -> HttpResponse:
        """Only a form that was tampered with comes here: there is nothing to correct."""
        told = "; ".join(message for messages in form.errors.values() for message in messages)
        return self.render_to_response({"error": {"description": told}}, status=400)

    def get_form_kwargs(self) -> dict[str, Any]:
        user: Any = self.request.user
        memberships = list(user.memberships.select_related("organization"))
        if not memberships:
            raise PermissionDenied("You are not a member of any organization. Ask an administrator to add you.")
        kwargs: dict[str, Any] = super().get_form_kwargs()
        return kwargs | {"memberships": memberships, "resources": self._resources()}

    def get_initial(self) -> dict[str, Any]:
        user: Any = self.request.user
        chosen = membership_of(user, self.request.session.get(SESSION_ORGANIZATION))
        initial: dict[str, Any] = super().get_initial()
        return initial | {"organization": chosen.organization.public_id if chosen else None}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        form, address = context["form"], urlsplit(context["redirect_uri"])
        return context | {
            "memberships": list(form.memberships.values()),
            "chosen": form["organization"].value(),
            "returns_to": address.netloc or address.scheme,
            "local": address.hostname in {"localhost", "127.0.0.1", "::1"},
        }

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        response: HttpResponse = super().render_to_response(context, **kwargs)
        if "application" in context:  # the redirect URI is one of the client's own
            response._csp_update = {"form-action": [_source(context["redirect_uri"])]}  # type: ignore[attr-defined]
        return response

    def _resources(self) -> set[str]:
        origin = self.request.build_absolute_uri("/").rstrip("/")
        return {f"{origin}{path}" for path in RESOURCES}


def _told(credentials: dict[str, Any], error: str, description: str) -> OAuthToolkitError:
    """What the client hears, at its redirect URI."""
    reason = CustomOAuth2Error(error=error, description=description, state=credentials.get("state"))
    return OAuthToolkitError(error=reason, redirect_uri=credentials["redirect_uri"])


def _source(redirect_uri: str) -> str:
    """As Content-Security-Policy writes it: a form may lead there, also by way of a redirect."""
    address = urlsplit(redirect_uri)
    return f"{address.scheme}://{address.netloc}" if address.scheme in {"http", "https"} else f"{address.scheme}:"
