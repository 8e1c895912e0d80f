"""Settings that cannot be read stop the start-up, by name."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import environ
import pytest
from django.core.exceptions import ImproperlyConfigured

from levered_site import checks, env


@pytest.mark.parametrize(
    ("reader", "bad", "default", "good", "value"),
    [
        (env.integer, "many", 1, "4", 4),
        (env.number, "x", 1.0, "0.5", 0.5),
        (env.boolean, "maybe", False, "yes", True),
        (env.rate, "100", "1/m", "5/s", "5/s"),
        (env.rate, "0/m", "1/m", "7/h", "7/h"),
        (env.words, None, ["a"], "b, c,", ["b", "c"]),
    ],
)
def test_readers(
    monkeypatch: pytest.MonkeyPatch, reader: Callable[..., Any], bad: str | None, default: Any, good: str, value: Any
) -> None:
    monkeypatch.delenv("LEVERED_X", raising=False)
    assert reader("LEVERED_X", default) == default
    monkeypatch.setenv("LEVERED_X", "  ")
    assert reader("LEVERED_X", default) == default
    monkeypatch.setenv("LEVERED_X", good)
    assert reader("LEVERED_X", default) == value
    if bad is not None:
        monkeypatch.setenv("LEVERED_X", bad)
        with pytest.raises(ImproperlyConfigured, match="LEVERED_X"):
            reader("LEVERED_X", default)


def test_a_minimum_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_PROCESSES", "0")
    with pytest.raises(ImproperlyConfigured, match="at least 1"):
        env.integer("WEB_PROCESSES", 1, at_least=1)


@pytest.mark.parametrize("address", ["mysql://root:hunter2@db/x", "nonsense hunter2", "postgres://u:hunter2@h:port/x"])
def test_a_wrong_database_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    with pytest.raises(ImproperlyConfigured) as refusal:
        env.database("DATABASE_URL", "")
    assert "hunter2" not in str(refusal.value)


def test_the_secret_is_made_once_and_kept_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEVERED_SECRET_KEY", raising=False)
    file = tmp_path / "deep" / "secret_key"
    first = env.secret("LEVERED_SECRET_KEY", file)
    assert len(first) >= 50
    assert env.secret("LEVERED_SECRET_KEY", file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [f.name for f in file.parent.iterdir()] == ["secret_key"]


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"WEB_PROCESSES": "2", "REDIS_URL": ""}, "levered.E001"),
        ({"WEB_PROCESSES": "two"}, "WEB_PROCESSES must be a whole number"),
        ({"LEVERED_RATE_LIMIT_API": "100"}, "LEVERED_RATE_LIMIT_API must be a rate"),
    ],
)
def test_misconfiguration_stops_the_start(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    environment = os.environ | {"LEVERED_DATA_DIR": str(tmp_path), "DATABASE_URL": ""} | variables
    done = subprocess.run([sys.executable, "manage.py", "check"], env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert said in done.stderr


def test_every_setting_is_in_the_example() -> None:
    root = Path(__file__).parents[2]
    sources = [*root.glob("levered_site/*.py"), *root.glob("optimizations/management/commands/*.py")]
    read = {name for file in sources for name in re.findall(r'env\.[a-z]+\(\s*"([A-Z_]+)"', file.read_text())}
    example = (root / ".env.example").read_text()
    assert len(read) > 20
    assert read <= set(re.findall(r"^#([A-Z_]+)=", example, flags=re.M))


def test_a_comment_behind_a_value_is_no_part_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("LEVERED_X=4       # so many\n")
    monkeypatch.setenv("LEVERED_X", "")  # so that it is put back afterwards
    environ.Env.read_env(file, overwrite=True, parse_comments=True)
    assert env.integer("LEVERED_X", 1) == 4


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LEVERED_X", raising=False)
    made = env.secrets("LEVERED_X", tmp_path / "keys")
    assert made == env.secrets("LEVERED_X", tmp_path / "keys")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600
    new, old = "n" * 32, "o" * 40
    monkeypatch.setenv("LEVERED_X", f"{new}, {old},")
    assert env.secrets("LEVERED_X", tmp_path / "keys") == [new, old]
    monkeypatch.setenv("LEVERED_X", f"{new},too short")
    with pytest.raises(ImproperlyConfigured, match="LEVERED_X") as refusal:
        env.secrets("LEVERED_X", tmp_path / "keys")
    assert "too short" not in str(refusal.value)


def test_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEVERED_X", "10.0.0.0/8, ::1,192.168.1.5")
    assert [str(n) for n in env.networks("LEVERED_X")] == ["10.0.0.0/8", "::1/128", "192.168.1.5/32"]
    for bad in ("10.0.0.1/8", "localhost", "10.0.0.0/33"):
        monkeypatch.setenv("LEVERED_X", bad)
        with pytest.raises(ImproperlyConfigured, match="LEVERED_X"):
            env.networks("LEVERED_X")


@pytest.mark.parametrize(
    ("engine", "given", "warned"), [("postgresql", False, True), ("postgresql", True, False), ("sqlite3", False, False)]
)
def test_keys_of_one_machine_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, engine: str, given: bool, warned: bool
) -> None:
    database = {"default": {"ENGINE": f"django.db.backends.{engine}"}}
    monkeypatch.setattr(checks, "settings", SimpleNamespace(DATABASES=database, SECRET_KEYS_GIVEN=given))
    assert bool(checks.credentials_can_be_read_everywhere(None)) == warned
