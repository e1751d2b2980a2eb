"""MFCC: against librosa where it is installed, against a slow sum, and the mel scale's fixed points."""

import numpy as np
import pytest

from cosim.datasets.mfcc import RANGE, filters, hertz_to_mel, mel_to_hertz, mfcc


def test_mel_scale() -> None:
    # Slaney: 3/200 mel a hertz below 1 kHz; 27 mel from 1 kHz to 6.4 kHz.
    np.testing.assert_allclose(hertz_to_mel(np.array([0, 200.0, 1000.0, 6400.0])), [0, 3, 15, 42])
    frequencies = np.linspace(0, 8000, 101)
    np.testing.assert_allclose(mel_to_hertz(hertz_to_mel(frequencies)), frequencies, atol=1e-9)


def test_filters_have_equal_area() -> None:
    weights = filters(16_000, 4096, 20)
    # Area 1 in hertz up to the sampling of the triangle by bins of 3.9 Hz; the narrowest is 133 Hz wide.
    np.testing.assert_allclose(weights.sum(axis=1) * 16_000 / 4096, 1, rtol=2e-3)
    assert np.all(weights >= 0)


def test_against_a_slow_sum() -> None:
    """The Fourier and cosine sums written out, on a frame in the middle of the signal."""
    rate, window, hop, bands = 8000, 64, 32, 8
    signal = np.random.default_rng(1).normal(size=256)
    found = mfcc(signal, rate, bands, window, hop, bands)
    n = np.arange(window)
    frames = [signal[start - window // 2 :][:window] for start in range(window // 2, 256 - window // 2 + 1, hop)]
    energies = []
    for frame in frames:
        shaped = frame * np.sin(np.pi * n / window) ** 2
        power = [abs(np.sum(shaped * np.exp(-2j * np.pi * k * n / window))) ** 2 for k in range(window // 2 + 1)]
        energies.append(filters(rate, window, bands) @ power)
    decibels = 10 * np.log10(energies)
    k = np.arange(bands)
    cosines = np.cos(np.pi * k[:, None] * (2 * k + 1) / (2 * bands)) * np.where(k == 0, 1, np.sqrt(2))[:, None]
    expected = decibels @ cosines.T / np.sqrt(bands)
    np.testing.assert_allclose(found[1:-1], expected, rtol=2e-6, atol=2e-4)  # float32 out


def test_silence_is_finite_and_quiet_cells_are_limited() -> None:
    assert np.all(np.isfinite(mfcc(np.zeros(800), 8000, 13, 256, 160, 20)))
    signal = np.concatenate([np.ones(800), np.zeros(800)])
    first = mfcc(signal, 8000, 20, 256, 160, 20)[:, 0] / np.sqrt(20)  # mean decibels of a frame
    assert first.min() >= first.max() - RANGE - 1e-3 or first.min() < first.max()
    assert np.isfinite(first).all()


@pytest.mark.parametrize(
    ("rate", "window", "hop", "bands", "count"),
    [(8000, 256, 160, 40, 40), (16_000, 640, 320, 40, 40), (16_000, 400, 160, 26, 13)],
)
def test_against_librosa(rate: int, window: int, hop: int, bands: int, count: int) -> None:
    librosa = pytest.importorskip("librosa", reason="librosa is not installed")
    signal = np.random.default_rng(0).normal(size=rate) * np.exp(-5 * np.arange(rate) / rate)
    expected = librosa.feature.mfcc(
        y=signal, sr=rate, n_mfcc=count, n_fft=window, win_length=window, hop_length=hop, n_mels=bands
    ).T
    np.testing.assert_allclose(mfcc(signal, rate, count, window, hop, bands), expected, atol=1e-4)  # values to 260
