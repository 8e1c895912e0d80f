"""`check --deploy` finds nothing to say about a production installation, and something about a careless one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCTION = {
    "LEVERED_HTTPS": "true",
    "LEVERED_ALLOWED_HOSTS": "levered.example.com",
    "LEVERED_TRUSTED_ORIGINS": "https://levered.example.com",
    "LEVERED_TRUSTED_PROXIES": "1",
    "LEVERED_SECRET_KEY": "k3" * 30 + "Zq7!-xYw",
    "LEVERED_SECRET_KEYS": "credentials-" + "Zq7!-xYw" * 4,
}
ISSUER = {
    "LEVERED_OIDC_ISSUER": "https://clerk.example.com",
    "LEVERED_OIDC_AUTHORIZED_PARTIES": "https://levered.example.com",
    "LEVERED_OIDC_CLIENT_ID": "levered",
}


def check(folder: Path, changes: dict[str, str]) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEVERED_")}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    environment = kept | {"LEVERED_DATA_DIR": str(folder)} | PRODUCTION | changes
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("changes", [{}, ISSUER], ids=["own", "issuer"])
def test_production_is_clean(tmp_path: Path, changes: dict[str, str]) -> None:
    done = check(tmp_path, changes)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"LEVERED_HTTPS": "false"}, "security.W008"),
        ({"LEVERED_ALLOWED_HOSTS": "*"}, "levered.W002"),
        ({"LEVERED_DEBUG": "true"}, "security.W018"),
        ({"LEVERED_SECRET_KEY": "short"}, "security.W009"),
        ({"LEVERED_OIDC_CLIENT_ID": "x"}, "levered.E003"),
        (ISSUER | {"LEVERED_OIDC_ISSUER": "http://clerk.example.com"}, "levered.E002"),
        (ISSUER | {"LEVERED_OIDC_AUTHORIZED_PARTIES": ""}, "levered.W003"),
    ],
)
def test_carelessness_is_told(tmp_path: Path, changes: dict[str, str], told: str) -> None:
    done = check(tmp_path, changes)
    assert done.returncode == 1
    assert told in done.stderr
