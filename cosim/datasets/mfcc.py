"""Mel-frequency cepstral coefficients, by scipy's FFT and DCT, with librosa's definitions.

Source: S. Davis, P. Mermelstein, IEEE Trans. ASSP 28 (1980) 357; mel scale and filters of M. Slaney's Auditory Toolbox
(Interval Research technical report 1998-010), which librosa takes by default.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LINEAR = 200 / 3  # Hz a mel below the break
BREAK = 1000.0  # Hz: linear below, logarithmic above
LOG_STEP = np.log(6.4) / 27  # of the frequency's logarithm, a mel above the break
FLOOR = 1e-10  # power, against the logarithm of 0
RANGE = 80.0  # dB kept below the loudest cell


def mfcc(signal: NDArray, rate: int, coefficients: int, window: int, hop: int, bands: int) -> NDArray[np.float32]:
    """MFCC of a signal, shape (frames, coefficients); frames are centred at multiples of `hop`.

    Power spectra of frames of `window` samples (periodic Hann; the signal is continued by zeros), `bands` triangular
    mel filters of equal area between 0 and rate / 2, decibels limited to RANGE below the largest, orthonormal DCT-II.

    `signal`: shape (samples,), full scale 1. `rate` [Hz].
    """
    from scipy.fft import dct, rfft

    padded = np.pad(np.asarray(signal, np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    power = np.abs(rfft(frames * hann, axis=1)) ** 2
    energies = power @ filters(rate, window, bands).T
    decibels = 10 * np.log10(np.maximum(energies, FLOOR))
    decibels = np.maximum(decibels, decibels.max() - RANGE)
    return dct(decibels, type=2, norm="ortho", axis=1)[:, :coefficients].astype(np.float32)


@lru_cache(maxsize=8)
def filters(rate: int, window: int, bands: int) -> NDArray[np.float64]:
    """Weights of the mel bands on the power spectrum, shape (bands, window // 2 + 1)."""
    corners = mel_to_hertz(np.linspace(0, hertz_to_mel(rate / 2), bands + 2))
    spectrum = np.fft.rfftfreq(window, 1 / rate)
    rising = (spectrum - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - spectrum) / np.diff(corners)[1:, None]
    weights = np.maximum(0, np.minimum(rising, falling)) * (2 / (corners[2:] - corners[:-2]))[:, None]
    weights.flags.writeable = False
    return weights


def hertz_to_mel(frequency: float | NDArray) -> NDArray:
    """Slaney's mel scale: linear up to 1 kHz (15 mel), logarithmic above."""
    frequency = np.asarray(frequency, np.float64)
    above = BREAK / LINEAR + np.log(np.maximum(frequency, BREAK) / BREAK) / LOG_STEP
    return np.where(frequency < BREAK, frequency / LINEAR, above)


def mel_to_hertz(mel: float | NDArray) -> NDArray:
    """The inverse of `hertz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    return np.where(mel < BREAK / LINEAR, mel * LINEAR, BREAK * np.exp(LOG_STEP * (mel - BREAK / LINEAR)))
