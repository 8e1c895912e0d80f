"""What is published: the built stylesheet and the vendored libraries, with their licences, and no build source."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "static" / "src"
UNSTYLED = {"group", "existing-metric", "metric-choice", "source-choice"}


def test_collecting_hashes_every_reference_and_leaves_the_sources_out(settings: LazySettings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    assert list(tmp_path.glob("css/levered.*.css"))
    assert not (tmp_path / "src").exists()


@pytest.mark.parametrize("library", ["codemirror", "htmx", "inter", "lucide", "sortable", "uplot"])
def test_vendored_libraries_carry_their_licence(library: str) -> None:
    assert (ROOT / "static" / "vendor" / library / "LICENSE").read_text()


def test_the_accessibility_checker_carries_its_licence_and_is_not_served() -> None:
    assert "Mozilla Public License" in (ROOT / "tests" / "browser" / "axe" / "LICENSE").read_text()
    assert not list((ROOT / "static").glob("vendor/axe*"))


@pytest.mark.skipif(not (SOURCES / "node_modules").exists(), reason="`npm install` in static/src builds the stylesheet")
def test_the_committed_stylesheet_is_what_its_sources_give() -> None:
    npm = shutil.which("npm")
    assert npm is not None
    built = subprocess.run([npm, "run", "--silent", "check"], cwd=SOURCES, capture_output=True, text=True, check=False)
    assert built.returncode == 0, f"run `npm run css` in static/src: {built.stdout}{built.stderr}"


@pytest.mark.parametrize("template", sorted(ROOT.glob("templates/**/*.html")), ids=lambda path: path.stem)
def test_every_class_of_our_own_that_a_template_names_exists(template: Path) -> None:
    """Without npm this is what notices a stylesheet that was not rebuilt."""
    css = "".join(file.read_text() for file in sorted((ROOT / "static/css").glob("*.css")))
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "\0", template.read_text(), flags=re.S)
    for value in re.findall(r'class="([^"]*)"', text):
        for name in value.split():
            if "\0" not in name and name not in UNSTYLED:
                escaped = re.sub(r"([^\w-])", r"\\\1", name)
                # an identifier cannot begin with a digit: CSS writes its code point
                assert "." + re.sub(r"^(\d)", r"\\3\1 ", escaped) in css, name


def test_nothing_is_fetched_from_elsewhere() -> None:
    served = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("static/js/**/*.js"), ROOT / "static/css/levered.css"]
    for file in served:
        text = file.read_text().replace("http://www.w3.org/", "")
        assert "http://" not in text, file
        assert "https://" not in text.replace("https://tailwindcss.com", ""), file
