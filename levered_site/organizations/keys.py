"""API-key secrets: `lv_<prefix>_<256 random bits>`.

A secret of full entropy needs no slow hash: SHA-256 cannot be searched, and the key is checked on every request.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from django.contrib.auth.hashers import PBKDF2PasswordHasher

MARK = "lv_"


@dataclass(frozen=True)
class NewSecret:
    """`secret` is shown to its owner once; `prefix` and `secret_hash` are what is stored."""

    secret: str
    prefix: str
    secret_hash: str


def new_secret() -> NewSecret:
    prefix = f"{MARK}{secrets.token_hex(5)}"
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    return NewSecret(secret=secret, prefix=prefix, secret_hash=hash_secret(secret))


def prefix_of(secret: str) -> str | None:
    """The stored prefix of a key, or None when the text is not one of our keys."""
    parts = secret.split("_", 2)
    return f"{MARK}{parts[1]}" if len(parts) == 3 and secret.startswith(MARK) else None


def hash_secret(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, secret_hash: str) -> bool:
    return hmac.compare_digest(hash_secret(secret), secret_hash)


class SecretHasher(PBKDF2PasswordHasher):
    """For secrets of full entropy that a library hashes as passwords: those of clients, never what people choose."""

    algorithm = "pbkdf2_secret"
    iterations = 1
