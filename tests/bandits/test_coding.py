import numpy as np
import pytest

from bandits.coding import CONTEXT_PAIR_COLUMNS, context_contrasts, contrasts, terms_of
from bandits.design import Design
from bandits.gram import OneHotMatrix


@pytest.mark.parametrize("levels", [1, 2, 3, 7])
def test_effects_sum_to_zero_have_unit_variance_and_are_exchangeable(levels):
    coding = contrasts(levels)
    assert coding.shape == (levels, levels - 1)
    assert np.allclose(coding.sum(axis=0), 0)
    if levels > 1:
        expected = (levels * np.eye(levels) - np.ones((levels, levels))) / (levels - 1)
        assert np.allclose(coding @ coding.T, expected)


def test_the_missing_level_is_the_average_level():
    assert np.all(context_contrasts(4)[-1] == 0)


def test_an_interaction_sums_to_zero_over_either_factor():
    terms = terms_of(Design([3, 4]))
    pair = next(term for term in terms.design_terms if term.kind == "pair")
    table = (pair.coding @ np.arange(1.0, pair.width + 1)).reshape(3, 4)
    assert np.allclose(table.sum(axis=0), 0)
    assert np.allclose(table.sum(axis=1), 0)


def test_factors_with_one_level_have_no_terms():
    terms = terms_of(Design([1, 3, 1], [1, 2]))
    assert [term.kind for term in terms.design_terms] == ["intercept", "main"]
    assert [term.members for term in terms.context_terms] == [(1,), (1, 1)]


def test_pairs_of_contexts_sum_to_zero_over_either_and_are_zero_where_one_is_missing():
    terms = terms_of(Design([2], [3, 2]))
    pair = next(term for term in terms.context_terms if term.kind == "context_pair")
    assert pair.members == (0, 1)
    table = (pair.coding @ np.arange(1.0, pair.width + 1)).reshape(4, 3)
    assert np.allclose(table.sum(axis=0), 0)
    assert np.allclose(table.sum(axis=1), 0)
    assert np.all(table[-1] == 0)
    assert np.all(table[:, -1] == 0)


def test_the_smallest_pairs_of_contexts_come_first_and_long_ones_get_no_term():
    terms = terms_of(Design([2], [30, 3, 12, 2]))
    pairs = [term for term in terms.context_terms if term.kind == "context_pair"]
    assert [term.members for term in pairs] == [(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert sum(term.width for term in pairs) <= CONTEXT_PAIR_COLUMNS


@pytest.mark.parametrize("dense", [True, False])
def test_products_equal_those_of_the_multiplied_out_matrix(rng, dense):
    design = Design([3, 2, 4])
    terms = terms_of(design)
    variant = rng.integers(0, 24, 60)
    indices = [terms.design_index(term, variant) for term in terms.design_terms]
    matrix = OneHotMatrix([term.coding for term in terms.design_terms], indices, 60)
    X = matrix.take(np.arange(60))
    matrix.dense = X.T if dense else None
    weights, other, group = rng.random(60), rng.random((60, 5)), rng.integers(0, 7, 60)
    assert np.allclose(matrix.gram(weights), X.T @ np.diag(weights) @ X)
    assert np.allclose(matrix.cross(weights, other), X.T @ (weights[:, None] * other))
    assert np.allclose(matrix.dot(X[0]), X @ X[0])
    assert np.allclose(matrix.transposed_dot(weights), X.T @ weights)
    assert np.allclose(matrix.grouped(weights, group, 7), np.eye(7)[group].T @ (weights[:, None] * X))
