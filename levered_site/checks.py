"""Misconfiguration stops the start-up with an id and a hint."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks


@checks.register(checks.Tags.caches)
def shared_rate_counters(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    if settings.WEB_PROCESSES > 1 and not settings.REDIS_URL:
        return [
            checks.Error(
                f"WEB_PROCESSES is {settings.WEB_PROCESSES}, but the rate limiter's counters live in one process.",
                hint="Set REDIS_URL, or serve with WEB_PROCESSES=1 (one process answers in parallel threads).",
                id="levered.E001",
            )
        ]
    return []


@checks.register(checks.Tags.database)
def durable_sqlite(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3") and settings.WEB_PROCESSES > 4:
        return [
            checks.Warning(
                f"{settings.WEB_PROCESSES} processes share one SQLite file.",
                hint="SQLite admits one writer at a time; set DATABASE_URL to a PostgreSQL server.",
                id="levered.W001",
            )
        ]
    return []


@checks.register(checks.Tags.security, deploy=True)
def hosts_are_named(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        return [
            checks.Warning(
                "LEVERED_ALLOWED_HOSTS admits every host name.",
                hint="Name the hosts under which the product is reached.",
                id="levered.W002",
            )
        ]
    return []


@checks.register(checks.Tags.security)
def issuer_is_safe(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Whoever can answer in the issuer's place can sign in as anybody."""
    if not settings.OIDC_ISSUER:
        if settings.OIDC_CLIENT_ID:
            return [
                checks.Error(
                    "LEVERED_OIDC_CLIENT_ID is set, but no issuer.",
                    hint="Set LEVERED_OIDC_ISSUER to the address under which the identity provider is known.",
                    id="levered.E003",
                )
            ]
        return []
    messages: list[checks.CheckMessage] = []
    address = urlsplit(settings.OIDC_ISSUER)
    local = address.hostname in {"localhost", "127.0.0.1", "::1"}
    if address.scheme != "https" and not (address.scheme == "http" and local):
        messages.append(
            checks.Error(
                "LEVERED_OIDC_ISSUER is not an https:// address.",
                hint="Its keys would be read over a connection that anybody on the way can change.",
                id="levered.E002",
            )
        )
    if not settings.OIDC_AUDIENCE and not settings.OIDC_AUTHORIZED_PARTIES:
        messages.append(
            checks.Warning(
                "Tokens that the issuer made for other applications are taken as well.",
                hint="Set LEVERED_OIDC_AUDIENCE or LEVERED_OIDC_AUTHORIZED_PARTIES.",
                id="levered.W003",
            )
        )
    return messages


@checks.register(checks.Tags.security, deploy=True)
def credentials_can_be_read_everywhere(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """A generated key lies on one machine; a database server is there for several."""
    on_a_server = not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    if on_a_server and not settings.SECRET_KEYS_GIVEN:
        return [
            checks.Warning(
                "Warehouse credentials are encrypted with a key that only this machine has.",
                hint="Set LEVERED_SECRET_KEYS, the same on every machine; docs/warehouse.md says how to change keys.",
                id="levered.W004",
            )
        ]
    return []
