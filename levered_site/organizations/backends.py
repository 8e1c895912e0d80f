"""Which sessions count: those begun with a password, and those begun at the issuer."""

from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest


class PasswordBackend(ModelBackend):
    """Where the issuer signs people in, only superusers of our own keep their passwords, if the operator lets them."""

    def user_can_authenticate(self, user: Any) -> bool:
        if settings.OIDC_CLIENT_ID and not (settings.OIDC_PASSWORDS and getattr(user, "is_superuser", False)):
            return False
        return super().user_can_authenticate(user)


class IssuerBackend(ModelBackend):
    """Finds the user of a session that was begun at the issuer; begins none."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:  # type: ignore[override]
        return None
