"""What each provider's credentials consist of, and reading them: everything that is wrong is told at once, by field."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from levered_site.errors import InvalidRequest, Issue
from warehouse.models import Provider
from warehouse.sealed import Sealed

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
MAX_LENGTH = 1_024
_ONE_LINE = re.compile(r"[^\x00-\x1f\x7f]*")
_GOOGLE_TOKENS = ("https://oauth2.googleapis.com/token", "https://accounts.google.com/o/oauth2/token")
_KEPT = ("type", "project_id", "private_key_id", "private_key", "client_email", "client_id", "token_uri")


@dataclass(frozen=True)
class Field:
    """One of a provider's fields. `secret`: shown to nobody, also not while it is typed. `lines`: longer text."""

    name: str
    label: str
    required: bool = True
    secret: bool = False
    lines: bool = False
    choices: tuple[str, ...] = ()
    help: str = ""
    pattern: str = ""
    wrong: str = "This is not what it should be."


_ACCOUNT = r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9][A-Za-z0-9_-]*){0,3}"
_PROJECT = r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]"

FIELDS: Mapping[str, tuple[Field, ...]] = {
    Provider.POSTGRES: (
        Field("host", "Host", help="A public host name or address."),
        Field(
            "port", "Port", required=False, pattern=r"[1-9][0-9]{0,4}", wrong="This must be a port.",
            help="5432 when empty.",
        ),
        Field("database", "Database"),
        Field("username", "User", help="Grant it SELECT on what may be read, and nothing else."),
        Field("password", "Password", secret=True),
        Field(
            "sslmode", "TLS", required=False, choices=SSL_MODES, help="verify-full also checks the server's name.",
        ),
    ),
    Provider.BIGQUERY: (
        Field("service_account", "Service account key (JSON)", secret=True, lines=True,
              help="As Google hands it out; it needs BigQuery Data Viewer and BigQuery Job User."),
        Field("dataset", "Dataset", required=False, pattern=r"[A-Za-z0-9_]{1,1024}", wrong="This is no dataset's name.",
              help="Where tables without a dataset are looked up."),
        Field("location", "Location", required=False, pattern=r"[A-Za-z0-9-]{1,64}", wrong="This is no location.",
              help="E.g. EU or us-central1."),
    ),
    Provider.SNOWFLAKE: (
        Field("account", "Account", pattern=_ACCOUNT, help="E.g. myorg-account123.",
              wrong="This must be an account's name, without snowflakecomputing.com."),
        Field("username", "User"),
        Field("password", "Password", required=False, secret=True, help="Or a private key."),
        Field("private_key", "Private key (PEM)", required=False, secret=True, lines=True),
        Field("passphrase", "Passphrase of the key", required=False, secret=True),
        Field("warehouse", "Warehouse"),
        Field("database", "Database"),
        Field("schema", "Schema"),
        Field("role", "Role", required=False),
    ),
    Provider.DUCKDB: (Field("path", "File", help="Below the directory that the operator allows."),),
}  # fmt: skip


def read_credentials(provider: str, given: Sealed) -> Sealed:
    """The credentials in the shape of the provider's config. InvalidRequest lists everything that is wrong."""
    fields = FIELDS.get(provider)
    if fields is None:
        known = ", ".join(FIELDS)
        raise InvalidRequest.of([Issue("provider", f"Credentials belong to one of these providers: {known}.")])
    raw = given.values
    if not isinstance(raw, Mapping):
        raise InvalidRequest.of([Issue("credentials", f"This must be an object of {_names(fields)}.")])
    if provider == Provider.BIGQUERY and "private_key" in raw:  # the key's JSON itself
        raw = {"service_account": {k: v for k, v in raw.items() if k not in ("dataset", "location")}} | {
            k: raw[k] for k in ("dataset", "location") if k in raw
        }
    issues = [Issue(f"credentials.{k}", f"Unknown field. Known fields: {_names(fields)}.") for k in raw if k not in
              {f.name for f in fields}]  # fmt: skip
    values: dict[str, Any] = {}
    for field in fields:
        value, wrong = _value(field, raw.get(field.name))
        issues += [Issue(f"credentials.{field.name}", message) for message in wrong]
        if value is not None:
            values[field.name] = value
    if issues:
        raise InvalidRequest.of(issues)
    return Sealed(_FURTHER[provider](values))


def _names(fields: tuple[Field, ...]) -> str:
    return ", ".join(f.name for f in fields)


def _value(field: Field, given: object) -> tuple[Any, list[str]]:
    """The value of a field, None when there is none, and what is wrong with it: never the value itself."""
    if field.name == "service_account" and isinstance(given, Mapping):
        return dict(given), []
    if field.name == "port" and isinstance(given, int) and not isinstance(given, bool):
        given = str(given)
    if given is None or given == "":
        return None, ["This field is required."] if field.required else []
    if not isinstance(given, str):
        return None, ["This must be text."]
    value = given if field.secret else given.strip()
    if not value.strip():
        return None, ["This field is required."] if field.required else []
    if field.lines:
        return value, ["This is too long."] if len(value) > 20 * MAX_LENGTH else []
    if len(value) > MAX_LENGTH or not _ONE_LINE.fullmatch(value):
        return None, [f"This must be one line of at most {MAX_LENGTH:,} characters."]
    if field.choices and value not in field.choices:
        return None, [f"This must be one of {', '.join(field.choices)}."]
    if field.pattern and not re.fullmatch(field.pattern, value, re.ASCII):
        return None, [field.wrong]
    return value, []


def _postgres(values: dict[str, Any]) -> dict[str, Any]:
    port = int(values.get("port", 5432))
    if port > 65_535:
        raise InvalidRequest.of([Issue("credentials.port", "This must be a port.")])
    return values | {"port": port}


def _snowflake(values: dict[str, Any]) -> dict[str, Any]:
    if ("password" in values) == ("private_key" in values):
        message = "Either a password or a private key is needed, not both."
        raise InvalidRequest.of([Issue("credentials.password", message), Issue("credentials.private_key", message)])
    if "private_key" in values:
        passphrase = values.get("passphrase")
        try:
            load_pem_private_key(values["private_key"].encode(), passphrase.encode() if passphrase else None)
        except (ValueError, TypeError) as error:
            message = "This is no private key in PEM format, or its passphrase is another one."
            raise InvalidRequest.of([Issue("credentials.private_key", message)]) from error
    elif "passphrase" in values:
        raise InvalidRequest.of([Issue("credentials.passphrase", "There is no private key that it could belong to.")])
    return values


def _bigquery(values: dict[str, Any]) -> dict[str, Any]:
    """A service account's key may name where to send it, or who else to be: only Google is told who we are."""
    key = values["service_account"]
    path = "credentials.service_account"
    if isinstance(key, str):
        try:
            key = json.loads(key)
        except ValueError as error:
            raise InvalidRequest.of([Issue(path, "This is not valid JSON.")]) from error
    if not isinstance(key, dict):
        raise InvalidRequest.of([Issue(path, "This must be the key of a service account, an object.")])
    issues = []
    if key.get("type") != "service_account":
        issues.append(Issue(f"{path}.type", "This must be 'service_account'."))
    project = key.get("project_id")
    if not isinstance(project, str) or not re.fullmatch(_PROJECT, project, re.ASCII):
        issues.append(Issue(f"{path}.project_id", "This must be a project's id."))
    if not isinstance(key.get("client_email"), str) or "@" not in key["client_email"]:
        issues.append(Issue(f"{path}.client_email", "This must be the service account's address."))
    if key.get("token_uri") not in _GOOGLE_TOKENS:
        issues.append(Issue(f"{path}.token_uri", f"This must be {_GOOGLE_TOKENS[0]}."))
    if key.get("universe_domain", "googleapis.com") != "googleapis.com":
        issues.append(Issue(f"{path}.universe_domain", "This must be googleapis.com."))
    try:
        load_pem_private_key(str(key.get("private_key")).encode(), None)
    except (ValueError, TypeError):
        issues.append(Issue(f"{path}.private_key", "This is no private key in PEM format."))
    if issues:
        raise InvalidRequest.of(issues)
    return values | {"service_account": {k: key[k] for k in _KEPT if k in key}}


_FURTHER: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    Provider.POSTGRES: _postgres,
    Provider.SNOWFLAKE: _snowflake,
    Provider.BIGQUERY: _bigquery,
    Provider.DUCKDB: dict,
}
