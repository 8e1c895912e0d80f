import numpy as np
import pytest

from bandits.design import Design
from bandits.observations import Observations

GOOD = {
    "variant": [0, 1],
    "context": [[0], [-1]],
    "period": [1, 2],
    "n": [10, 2.5],
    "total": [1, 0],
    "total_squares": [1, 0],
}


def test_columns_become_arrays():
    observations = Observations(**GOOD)
    assert len(observations) == 2
    assert observations.n.dtype == np.float64
    assert observations.context.shape == (2, 1)


@pytest.mark.parametrize("name", ["variant", "context", "period", "n", "total", "total_squares"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, "x"])
def test_values_that_are_not_finite_numbers_are_refused_by_name(name, bad):
    column = [[0], [bad]] if name == "context" else [0, bad]
    with pytest.raises(ValueError, match=f"^{name}"):
        Observations(**{**GOOD, name: column})


@pytest.mark.parametrize("name", ["period", "n", "total", "total_squares", "context"])
def test_other_lengths_are_refused_by_name(name):
    with pytest.raises(ValueError, match=f"^{name}"):
        Observations(**{**GOOD, name: [0, 0, 0]})


@pytest.mark.parametrize("name", ["n", "total_squares"])
def test_negative_counts_are_refused_by_name(name):
    with pytest.raises(ValueError, match=f"^{name}"):
        Observations(**{**GOOD, name: [1, -1]})


def test_fractional_codes_are_refused():
    with pytest.raises(ValueError, match=r"^variant"):
        Observations(**{**GOOD, "variant": [0, 0.5]})


@pytest.mark.parametrize(("name", "column"), [("variant", [0, 6]), ("context", [[0], [2]]), ("context", [[0], [-2]])])
def test_codes_outside_the_design_are_refused_by_name(name, column):
    with pytest.raises(ValueError, match=f"^{name}"):
        Observations(**{**GOOD, name: column}).check(Design([2, 3], [2]))


def test_the_number_of_context_factors_must_match():
    with pytest.raises(ValueError, match=r"^context"):
        Observations(**GOOD).check(Design([2, 3]))


def test_cells_of_levels_that_no_longer_exist_are_left_out_and_counted():
    design = Design([2, 2], [2])
    rows = Observations([0, -1, 3, 9], [[0], [0], [5], [1]], [0, 0, 0, 0], [10, 20, 30, 40], [1, 1, 1, 1], [1, 1, 1, 1])
    kept, dropped = rows.known_to(design)
    kept.check(design)
    assert dropped == 60
    assert kept.variant.tolist() == [0, 3]
    assert kept.context[:, 0].tolist() == [0, -1]
