from io import StringIO

import pytest
from django.core.management import CommandError, call_command


def test_it_reports_the_regret_of_each_world() -> None:
    out = StringIO()
    call_command("simulate", "hill48", seeds=1, first_seed=7, stdout=out)
    header, row = out.getvalue().splitlines()
    assert header.split()[:3] == ["environment", "runs", "regret"]
    name, runs, regret, error, *_ = row.split()
    assert (name, runs, error) == ("hill48", "1", "–")  # one run has no standard error
    assert 0 < float(regret) < 1


@pytest.mark.parametrize(("names", "seeds", "said"), [(["atlantis"], 1, "atlantis"), (["hill48"], 0, "--seeds")])
def test_what_cannot_be_run(names: list[str], seeds: int, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("simulate", *names, seeds=seeds)
