import numpy as np
import pytest

from bandits.noise import SlotNoise


def test_the_noise_of_effects_does_not_depend_on_the_periods():
    noise = SlotNoise(3, 512)
    few, many = noise.coefficients(2, 7), noise.coefficients(5, 7)
    assert np.array_equal(few[2:], many[5:])
    assert np.array_equal(few[:2], many[:2])


@pytest.mark.parametrize("slots", [slice(0, 200), slice(63, 65), slice(130, 131), slice(190, 500), slice(None)])
def test_a_slice_of_residual_noise_is_that_slice_of_all_of_it(slots):
    noise = SlotNoise(0, 200)
    assert np.array_equal(noise.residuals(5, slots), noise.residuals(5, slice(0, 200))[:, slots])


def test_streams_and_seeds_differ():
    first, second = SlotNoise(0, 300), SlotNoise(1, 300)
    assert not np.array_equal(first.coefficients(0, 4), second.coefficients(0, 4))
    assert abs(np.corrcoef(first.residuals(4, slice(None))[0], first.coefficients(0, 4)[0])[0, 1]) < 0.2
    assert abs(np.corrcoef(first.bias(0, 1)[0], first.bias(1, 1)[0])[0, 1]) < 0.2


def test_the_noise_is_standard_normal():
    noise = SlotNoise(5, 4096)
    for sample in (noise.coefficients(1, 9), noise.bias(2, 5), noise.residuals(12, slice(None))):
        assert abs(sample.mean()) < 0.03
        assert abs(sample.std() - 1) < 0.03
