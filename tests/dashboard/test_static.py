"""What is published: the built stylesheet and the vendored libraries, with their licences, and no build source."""

from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]


def test_collecting_hashes_every_reference_and_leaves_the_sources_out(settings: LazySettings, tmp_path: Path) -> None:
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, verbosity=0)
    assert list(tmp_path.glob("css/levered.*.css"))
    assert not (tmp_path / "src").exists()


@pytest.mark.parametrize("library", ["htmx", "inter", "lucide", "uplot"])
def test_vendored_libraries_carry_their_licence(library: str) -> None:
    assert (ROOT / "static" / "vendor" / library / "LICENSE").read_text()


def test_nothing_is_fetched_from_elsewhere() -> None:
    served = [*ROOT.glob("templates/**/*.html"), *ROOT.glob("static/js/*.js"), ROOT / "static/css/levered.css"]
    for file in served:
        text = file.read_text().replace("http://www.w3.org/", "")
        assert "http://" not in text, file
        assert "https://" not in text.replace("https://tailwindcss.com", ""), file
