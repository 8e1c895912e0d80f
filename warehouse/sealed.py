"""Credentials at rest and in memory: encrypted in the database, and silent wherever objects are printed.

Keys come from the setting `SECRET_KEYS`: the first encrypts, every one decrypts; `manage.py rotate_secrets`.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from levered_site.errors import Conflict

_PURPOSE = b"levered/warehouse-credentials/v1"


@dataclass(frozen=True)
class Sealed:
    """Credentials on their way. No mapping: error reporters print those entry by entry."""

    values: Mapping[str, Any] = field(repr=False)


def seal(credentials: Sealed) -> str:
    return _keys().encrypt(orjson.dumps(credentials.values)).decode()


def unseal(token: str) -> Sealed:
    """Conflict when none of the keys decrypts it."""
    try:
        return Sealed(orjson.loads(_keys().decrypt(token)))
    except InvalidToken as error:
        message = "The stored credentials cannot be decrypted: a key of LEVERED_SECRET_KEYS is missing."
        raise Conflict(f"{message} Connect the warehouse again.") from error


def reseal(token: str) -> str:
    """The same credentials, encrypted with the first key."""
    try:
        return _keys().rotate(token).decode()
    except InvalidToken as error:
        raise Conflict("None of the keys of LEVERED_SECRET_KEYS decrypts these credentials.") from error


def _keys() -> MultiFernet:
    return MultiFernet([Fernet(_derived(secret)) for secret in settings.SECRET_KEYS])


def _derived(secret: str) -> bytes:
    """The secrets are of any length and alphabet; a Fernet key is not."""
    derived = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret.encode())
    return base64.urlsafe_b64encode(derived)
