"""Descriptors: scipy's cosine transform, mirrored images, the whitening."""

import numpy as np
import scipy.fft

from edgekit.audit.descriptors import Transform, similarity, whitening


def thumbnails(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 32, 32), np.float32)


def test_transform_is_the_cosine_transform_of_scipy():
    images = thumbnails(3)
    transform = Transform(8)
    expected = scipy.fft.dctn(images, axes=(1, 2), norm="ortho")[:, :8, :8]
    ours = transform.matrix @ images @ transform.matrix.T
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_mirroring_changes_the_sign_of_the_odd_part_alone():
    images, transform = thumbnails(4), Transform(16)
    (even, odd), (mirrored_even, mirrored_odd) = transform.of(images), transform.of(images[:, :, ::-1])
    np.testing.assert_allclose(mirrored_even, even, atol=1e-4)
    np.testing.assert_allclose(mirrored_odd, -odd, atol=1e-4)


def test_descriptors_of_equal_images_have_similarity_1_also_when_mirrored():
    images, transform = thumbnails(5), Transform(10)
    white = whitening(*transform.of(images))
    ours, mirrored = (white.descriptors(*transform.of(i)) for i in (images, images[:, :, ::-1]))
    np.testing.assert_allclose(similarity(ours, ours), 1, atol=1e-5)
    np.testing.assert_allclose(similarity(ours, mirrored, -1), 1, atol=1e-5)
    assert similarity(ours, ours.at(np.array([1, 2, 3, 4, 0]))).max() < 0.6


def test_whitening_discounts_what_all_images_share():
    noise = np.random.default_rng(2).normal(0, 0.1, (3000, 32, 32)).astype(np.float32)
    images = thumbnails(1, seed=1) + noise
    transform = Transform(10)
    few, many = (whitening(*transform.of(some)) for some in (thumbnails(2, seed=3), images))
    pair = [transform.of(images[n : n + 1]) for n in (0, 1)]
    alike = [similarity(*(white.descriptors(*parts) for parts in pair))[0] for white in (few, many)]
    assert alike[0] > 0.8
    assert abs(alike[1]) < 0.4


def test_descriptors_of_blank_images_are_finite():
    blank, transform = np.zeros((3, 32, 32), np.float32), Transform(8)
    parts = transform.of(blank)
    assert np.isfinite(similarity(*[whitening(*parts).descriptors(*parts)] * 2)).all()
