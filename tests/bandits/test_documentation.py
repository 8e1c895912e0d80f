"""The code of docs/learning.md, run as it stands there."""

import datetime as dt
import io
import re
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.conftest import Tenant
from tests.factories import add_arms, make_optimization

PAGE = Path(__file__).resolve().parents[2] / "docs/learning.md"


@pytest.mark.django_db
def test_the_notebook_runs(acme: Tenant, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    optimization = make_optimization(acme.organization)
    at = timezone.now() - dt.timedelta(days=3)
    add_arms(optimization, 600, held_rate=0.1, served_rate=0.3, at=at)
    add_arms(optimization, 600, held_rate=0.1, served_rate=0.3, at=at, prefix="other", context={"device": "watch"})
    assert acme.client.post(f"/api/v2/models/{optimization.models.get().pk}/train").status_code == 200

    def answer(request: urllib.request.Request) -> Any:
        assert request.get_header("Authorization") == "Bearer the key"
        return io.BytesIO(acme.client.get(request.full_url).content)

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 4
    names: dict[str, Any] = {"API": "http://testserver/api/v2", "KEY": "the key", "ID": optimization.pk}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    observations = names["observations"]
    assert observations.n.sum() == 1200
    assert set(observations.context.ravel()) == {-1, 0}  # "watch" is no level of the design
    shown = names["design"].levels.tolist().index([1, 0])
    assert names["result"].mean[shown] == pytest.approx(0.3, abs=0.05)
    assert "headline: " in capsys.readouterr().out
    assert 0 < names["run"].ratio < 1
