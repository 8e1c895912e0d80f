import numpy as np
import pytest

from bandits.design import Design


def test_variants_are_the_c_order_ravel_of_the_levels():
    design = Design([3, 2, 4])
    assert design.n_variants == 24
    assert np.array_equal(np.ravel_multi_index(tuple(design.levels.T), (3, 2, 4)), np.arange(24))
    assert design.levels[0].tolist() == [0, 0, 0]


def test_context_cells_are_in_c_order():
    assert Design([2], [2, 3]).context_cells == ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2))
    assert Design([2]).context_cells == ((),)


def test_a_level_outside_the_design_becomes_missing():
    assert Design([2], [2, 3]).context_code((5, -4)) == (-1, -1)
    with pytest.raises(ValueError, match="context"):
        Design([2], [2, 3]).context_code((0,))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factors": [2, 0]}, "factors"),
        ({"factors": [2], "contexts": [0]}, "contexts"),
        ({"factors": [2], "allowed": [True]}, "allowed"),
        ({"factors": [2], "allowed": [False, True]}, "baseline"),
    ],
)
def test_bad_designs_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        Design(**arguments)


def test_designs_compare_by_value():
    assert Design([2, 3], [2]) == Design([2, 3], [2])
    assert hash(Design([2, 3])) == hash(Design([2, 3]))
    assert Design([2, 3]) != Design([2, 3], allowed=[True] * 5 + [False])
