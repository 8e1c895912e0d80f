"""The import contracts hold, and each of them fails on a planted bad import."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("levered_site", "optimizations", "warehouse", "bandits")
PLANTED = [
    ("warehouse/services/planted.py", "from optimizations import config", "The house"),
    ("optimizations/services/planted.py", "from levered_site.mcp import explain", "The house"),
    ("levered_site/organizations/planted.py", "from levered_site.api import views", "The house"),
    ("optimizations/services/planted.py", "from optimizations.api import urls", "Inside optimizations"),
    ("warehouse/models.py", "from warehouse.services import events", "Inside warehouse"),
    ("bandits/planted.py", "import django", "bandits is pure numpy"),
    ("optimizations/services/planted.py", "from rest_framework import exceptions", "Services raise DomainError"),
    ("optimizations/services/serving.py", "import scipy", "Serving never loads"),
    ("bandits/assignment.py", "import statsmodels", "Serving never loads"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).parent / "lint-imports"),
        "--no-cache",
        "--config",
        str(ROOT / "pyproject.toml"),
    ]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_the_house_stands() -> None:
    assert lint(ROOT).returncode == 0


@pytest.mark.parametrize(("file", "planted", "contract"), PLANTED)
def test_a_bad_import_is_caught(tmp_path: Path, file: str, planted: str, contract: str) -> None:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / file).open("a") as target:
        target.write(f"\n{planted}\n")
    done = lint(tmp_path)
    assert done.returncode == 1
    assert any(contract in line and "BROKEN" in line for line in done.stdout.splitlines()), done.stdout


def test_every_contract_is_seen_to_fail() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    for contract in declared:
        assert any(contract["name"].startswith(planted[2]) for planted in PLANTED), contract["name"]
