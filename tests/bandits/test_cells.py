import numpy as np

from bandits.cells import Cells
from bandits.design import Design
from bandits.observations import Observations


def test_contexts_beyond_64_bits_stay_apart():
    """22 factors of 7 levels and a missing one are 2^66 places."""
    design = Design([2], [7] * 22)
    context = np.zeros((4, 22), int)
    context[1, 0], context[3, -1] = 1, -1
    problem = Cells(
        design, Observations([0, 0, 1, 1], context, np.zeros(4), np.full(4, 9.0), np.ones(4), np.ones(4)), "iid"
    )
    assert len(problem.n) == 4
    assert sorted(map(tuple, problem.row_context)) == sorted(map(tuple, context))
    assert len(np.unique(problem.row_place)) == 3
