import numpy as np
import pytest

from bandits.coding import context_contrasts, contrasts, terms_of
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


@pytest.mark.parametrize("dense", [True, False])
def test_products_equal_those_of_the_multiplied_out_matrix(rng, dense):
    design = Design([3, 2, 4])
    terms = terms_of(design)
    variant = rng.integers(0, 24, 60)
    indices = [terms.design_index(term, variant) for term in terms.design_terms]
    matrix = OneHotMatrix([term.coding for term in terms.design_terms], indices, 60)
    X = matrix.take(np.arange(60))
    matrix.dense = X if dense else None
    weights, other, group = rng.random(60), rng.random((60, 5)), rng.integers(0, 7, 60)
    assert np.allclose(matrix.gram(weights), X.T @ np.diag(weights) @ X)
    assert np.allclose(matrix.cross(weights, other), X.T @ (weights[:, None] * other))
    assert np.allclose(matrix.dot(X[0]), X @ X[0])
    assert np.allclose(matrix.transposed_dot(weights), X.T @ weights)
    assert np.allclose(matrix.grouped(weights, group, 7), np.eye(7)[group].T @ (weights[:, None] * X))
