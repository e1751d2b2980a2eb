"""The capacitor array on paper: levels, thresholds, switching energy.

Charge on the floating top plates is conserved: sampled at v_cm with the input on all bottom plates, they stand at
v_cm - v_in + L during a trial, where L = v_low + (v_high - v_low) sum_i b_i C_i / C_total. A parasitic capacitance of
the top plates divides the deviation from v_cm and leaves its sign.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ideal_capacitors(bits: int, c_unit: float) -> Array:
    """C_i = 2^i c_unit of bit i = 0 .. bits-1, then the dummy of one unit; shape (bits + 1,) [F]."""
    return c_unit * np.array([*(2.0**i for i in range(bits)), 1.0])


def draw_capacitors(bits: int, c_unit: float, sigma: float, rng: np.random.Generator) -> Array:
    """Capacitors of one chip, shape (bits + 1,) [F]: each of n units, each unit off by `sigma` of its value."""
    units = np.array([*(2**i for i in range(bits)), 1])
    return c_unit * (units + sigma * np.sqrt(units) * rng.standard_normal(bits + 1))


def levels(capacitors: Array, v_low: float, v_high: float) -> Array:
    """L of every code 0 .. 2^bits - 1, shape (2^bits,) [V]."""
    bits = len(capacitors) - 1
    set_bits = (np.arange(1 << bits)[:, None] >> np.arange(bits)) & 1
    return v_low + (v_high - v_low) * (set_bits @ capacitors[:-1]) / capacitors.sum()


def transition_levels(level: Array) -> Array:
    """Inputs at which the code of the binary search rises above k - 1, k = 1 .. 2^bits - 1 [V].

    The search compares with L(middle) first, so what lies above the middle code cannot be reached from below it: T_k
    is the largest or smallest of the levels on the way. In a monotonic array T_k = L(k); where it is not, codes are
    missing and their T_k coincide.
    """
    result = np.empty(len(level) - 1)

    def search(low: int, high: int, least: float, most: float) -> None:
        if high - low == 1:
            return
        middle = (low + high) // 2
        own = min(max(float(level[middle]), least), most)
        result[middle - 1] = own
        search(low, middle, least, own)
        search(middle, high, own, most)

    search(0, len(level), -np.inf, np.inf)
    return result


def switching_energy(
    code: int, capacitors: Array, v_ref: float, parasitic: float = 0.0, sampled: float | None = None
) -> float:
    """Energy [J] that the references give in the conversion that ends in `code`, v_ref = v_high - v_low above v_low.

    From the charges alone: a capacitor that goes to the upper reference, or stays there while the top plates move,
    takes its charge from it at v_ref. `parasitic` [F] of the top plates lessens their movement; only then the input
    matters, `sampled` = (v_in - v_low) / v_ref, the middle of the code's range if not given. Without it the mean over
    all codes of an ideal array is the conventional scheme's, `mean_switching_energy`.
    """
    bits, total = len(capacitors) - 1, float(capacitors.sum()) + parasitic
    energy = 0.0
    before = np.full(bits + 1, (code + 0.5) / (1 << bits) if sampled is None else sampled)
    kept = np.zeros(bits + 1)  # bottom plates, the dummy's last, in v_ref above v_low
    for bit in reversed(range(bits)):
        trial = kept.copy()
        trial[bit] = 1.0
        rise = float(np.dot(trial - before, capacitors)) / total  # of the top plates
        energy += v_ref**2 * float(np.sum(trial * capacitors * (trial - before - rise)))
        before = trial
        kept[bit] = code >> bit & 1
    return energy


def mean_switching_energy(bits: int, c_unit: float, v_ref: float) -> float:
    """Mean of `switching_energy` over all codes of an ideal array [J]: sum over i = 1 .. bits of
    2^(bits - 2 i) (2^i - 1) c_unit v_ref^2, half of the differential conventional array's (Liu, Chang, Huang and Lin,
    IEEE J. Solid-State Circuits 45, 731, 2010)."""
    i = np.arange(1, bits + 1)
    return float(np.sum(2.0 ** (bits - 2 * i) * (2.0**i - 1)) * c_unit * v_ref**2)
