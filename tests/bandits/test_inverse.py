import numpy as np
import pytest

from bandits.inverse import inverse, inverse_root


@pytest.mark.parametrize("others", [1.0, 1.0 + 1e-9])
def test_a_precision_that_rounding_has_spoiled_is_mended(others):
    """Singular, or indefinite: variances are positive all the same."""
    A = np.array([[1.0, others, 0.0], [others, 1.0, 0.0], [0.0, 0.0, 4.0]])
    for result in (inverse(A), inverse_root(A).T @ inverse_root(A)):
        assert np.all(np.isfinite(result))
        assert np.all(result.diagonal() > 0)
        assert result[2, 2] == pytest.approx(0.25)
