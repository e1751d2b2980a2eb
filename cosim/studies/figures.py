"""The figures of a study's points: their units, and what they are."""

from __future__ import annotations

ABOUT = {
    "accuracy": ("1", "share of right answers, mean over chips, reads and test samples"),
    "bits_per_symbol": ("bit", "bits per symbol, mean over chips, reads and test samples"),
    "low": ("", "lower end of the 95 % interval for other chips and test samples"),
    "high": ("", "upper end of the 95 % interval for other chips and test samples"),
    "chip_spread": ("", "standard deviation from chip to chip"),
    "error_chip": ("", "standard error from the chips drawn"),
    "error_read": ("", "standard error from noise of reads"),
    "error_sample": ("", "standard error from the finite test set"),
    "loss": ("nat", "cross-entropy, mean over chips, reads and test samples"),
    "error_model": ("", "with the model-form error minus without, on the same chips"),
    "error_model_low": ("", "lower end of its 95 % interval"),
    "error_model_high": ("", "upper end of its 95 % interval"),
    "tiles": ("1", "arrays of the network"),
    "cells": ("1", "memristors of the arrays"),
    "utilisation": ("1", "share of the arrays' cells that hold weights"),
    "digital_operations": ("1", "digital operations an inference"),
    "clipping_dac": ("1", "share of the calibration inputs beyond full scale, of the worst matrix"),
    "clipping_adc": ("1", "share of the calibration results beyond the converters' range, of the worst part"),
    "energy": ("J", "energy of an inference"),
    "latency": ("s", "latency of an inference"),
    "area": ("m^2", "area of the hardware"),
    "operations": ("1", "operations an inference, two a multiply-accumulate"),
    "tops_per_watt": ("1e12/J", "operations by energy"),
    "tops_per_mm2": ("1e12/(s mm^2)", "operations by latency and area"),
    "conversions": ("1", "analogue-to-digital conversions an inference"),
    "seconds": ("s", "wall time of the point"),
}
"""Figure -> (unit, meaning); an empty unit is the metric's own."""
