"""Typed readers of the environment: a value that cannot be read stops the start-up and names its variable."""

import ipaddress
import os
import secrets as random_secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
_env = environ.Env()
MIN_SECRET = 32


def _read(name: str, default: T, read: Callable[[str], T], expected: str) -> T:
    if not os.environ.get(name, "").strip():
        return default
    try:
        return read(name)
    except (ValueError, KeyError, ImproperlyConfigured) as error:
        raise ImproperlyConfigured(f"{name} must be {expected}, not {os.environ[name]!r}.") from error


def text(name: str, default: str = "") -> str:
    return _read(name, default, lambda n: os.environ[n].strip(), "text")


def integer(name: str, default: int, *, at_least: int = 0) -> int:
    value = _read(name, default, lambda n: int(os.environ[n]), "a whole number")
    if value < at_least:
        raise ImproperlyConfigured(f"{name} must be at least {at_least}, not {value}.")
    return value


def number(name: str, default: float) -> float:
    return _read(name, default, lambda n: float(os.environ[n]), "a number")


_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


def boolean(name: str, default: bool) -> bool:
    def read(n: str) -> bool:
        word = os.environ[n].strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValueError(word)
        return word in _TRUE

    return _read(name, default, read, "true or false")


def words(name: str, default: list[str]) -> list[str]:
    return _read(name, default, lambda n: [w.strip() for w in os.environ[n].split(",") if w.strip()], "a list")


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(name: str) -> list[Network]:
    """Networks and single addresses, e.g. `10.0.0.0/8, 192.168.1.5`."""

    def read(n: str) -> list[Network]:
        return [ipaddress.ip_network(word) for word in words(n, [])]

    return _read(name, [], read, "a list of networks such as 10.0.0.0/8")


def rate(name: str, default: str) -> str:
    """A limit such as `100/m`: requests per second, minute, hour or day."""

    def read(n: str) -> str:
        count, unit = os.environ[n].strip().split("/")
        if int(count) < 1 or unit not in {"s", "m", "h", "d"}:
            raise ValueError(unit)
        return f"{int(count)}/{unit}"

    return _read(name, default, read, "a rate such as 100/m")


def database(name: str, default: str) -> dict[str, Any]:
    """Django's settings for a `postgres://…` or `sqlite:///…` address."""
    try:
        settings: dict[str, Any] = _env.db_url_config(text(name, default))
    except Exception as error:  # the address holds a password: it is never repeated here
        raise ImproperlyConfigured(f"{name} must be a postgres:// or sqlite:/// address.") from error
    if settings.get("ENGINE") not in {"django.db.backends.sqlite3", "django.db.backends.postgresql"}:
        raise ImproperlyConfigured(f"{name} must be a postgres:// or sqlite:/// address.")
    return settings


def secret(name: str, file: Path) -> str:
    """The secret from the environment; else from `file`, made on first use and readable by its owner only."""
    given = text(name)
    if given:
        return given
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(random_secrets.token_urlsafe(48))
        try:
            os.link(draft, file)  # atomic: two processes that start together agree on one secret
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return file.read_text().strip()


def secrets(name: str, file: Path) -> list[str]:
    """Several secrets, the one to use first and those of earlier times; else as `secret`. Short ones can be guessed."""
    given = words(name, []) or [secret(name, file)]
    if any(len(word) < MIN_SECRET for word in given):
        raise ImproperlyConfigured(f"{name}: every secret needs at least {MIN_SECRET} characters.")
    return given
