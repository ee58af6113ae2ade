import numpy as np
import pytest

from unlabeled.report import Image, Legend, Paragraph
from unlabeled.report.spectrum_drawing import singular_values, spectrum_blocks, tenth

Z = np.random.default_rng(0).normal(size=(40, 6)) * [9, 5, 3, 1, 0.5, 0.1] + 4


def test_it_is_the_svd_of_the_centred_features_over_the_largest():
    centred = Z - Z.mean(0)
    expected = np.sqrt(np.sort(np.linalg.eigvalsh(centred.T @ centred))[::-1])
    assert singular_values(Z) == pytest.approx(expected / expected[0], rel=1e-6)


def test_shift_and_scale_change_nothing():
    assert singular_values(Z * 1e20 + 7e20) == pytest.approx(singular_values(Z), rel=1e-6)


def test_features_that_lie_on_a_line_have_one_direction():
    sigma = singular_values(np.outer(np.arange(9.0), [1, 2, 3]) + 5)
    assert sigma[0] == 1 and sigma[1:].max() < 1e-12 and tenth(sigma) == 1


@pytest.mark.parametrize("z", [np.zeros((5, 3)), np.ones((5, 3)) * 7.3])
def test_equal_features_are_said_to_have_collapsed(z):
    assert not singular_values(z).any()
    (block,) = spectrum_blocks({"trained": z})
    assert isinstance(block, Paragraph) and "collapsed" in block.text


def test_the_untrained_encoder_stands_beside():
    legend, image = spectrum_blocks({"trained": Z, "untrained": Z[:, :3]})
    assert isinstance(legend, Legend) and [name for name, _ in legend.colours] == ["trained", "untrained"]
    assert isinstance(image, Image)
    assert f"trained {tenth(singular_values(Z))} of 6, untrained" in image.alt
    (alone,) = spectrum_blocks({"trained": Z})
    assert isinstance(alone, Image)


def test_one_sample_has_no_spectrum_and_it_is_said():
    (block,) = spectrum_blocks({"trained": Z[:1]})
    assert isinstance(block, Paragraph) and "at least 2 samples" in block.text
