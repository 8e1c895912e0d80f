import numpy as np
import pytest

from bandits import blob
from bandits.blob import CorruptPosteriorError, PosteriorFormatError, UnsupportedVersionError
from bandits.design import Design
from bandits.posterior import Posterior, fit


@pytest.fixture
def posterior(observe):
    design = Design([3, 2, 2], [2], allowed=[True] * 11 + [False])
    return fit(design, observe(design), reward="bool")


def test_a_round_trip_keeps_every_bit(posterior):
    data = posterior.to_bytes()
    copy = Posterior.from_bytes(data)
    assert copy.to_bytes() == data
    assert copy.design == posterior.design
    for name in ("coefficients", "root", "residual", "residual_precision", "environment", "variances", "contexts"):
        assert getattr(copy, name).tobytes() == getattr(posterior, name).tobytes()
        assert getattr(copy, name).shape == getattr(posterior, name).shape
    assert (copy.scale, copy.iterations, copy.reward) == (posterior.scale, posterior.iterations, posterior.reward)


def test_an_empty_fit_and_one_without_residuals_round_trip(observe):
    design = Design([2, 2])
    for copy in (fit(design, observe(design), reward="numeric", residuals=False),):
        assert Posterior.from_bytes(copy.to_bytes()).to_bytes() == copy.to_bytes()
        assert np.all(np.isinf(Posterior.from_bytes(copy.to_bytes()).residual_precision))


def test_the_first_version_is_refused(posterior):
    """It had no pairs of contexts, so that its coefficients would be taken for others."""
    data = bytearray(posterior.to_bytes())
    data[len(blob.MAGIC) : len(blob.MAGIC) + 2] = (1).to_bytes(2, "big")
    with pytest.raises(UnsupportedVersionError, match="version 1, this code reads 2"):
        Posterior.from_bytes(bytes(data))


def test_another_version_is_refused(posterior):
    data = bytearray(posterior.to_bytes())
    data[len(blob.MAGIC) : len(blob.MAGIC) + 2] = (blob.VERSION + 1).to_bytes(2, "big")
    with pytest.raises(UnsupportedVersionError, match=f"version {blob.VERSION + 1}"):
        Posterior.from_bytes(bytes(data))


@pytest.mark.parametrize("position", [15, 60, -1])
def test_a_changed_byte_is_noticed(posterior, position):
    data = bytearray(posterior.to_bytes())
    data[position] ^= 1
    with pytest.raises(CorruptPosteriorError, match="checksum"):
        Posterior.from_bytes(bytes(data))


def test_bytes_cut_short_are_noticed(posterior):
    with pytest.raises(CorruptPosteriorError):
        Posterior.from_bytes(posterior.to_bytes()[:-10])
    with pytest.raises(CorruptPosteriorError, match="short"):
        Posterior.from_bytes(posterior.to_bytes()[:20])


def test_foreign_bytes_are_refused():
    with pytest.raises(PosteriorFormatError, match="magic"):
        Posterior.from_bytes(b"\x80\x04K\x01.")
