"""The macro model that stands for a characterised integrator."""

from __future__ import annotations

import xarray as xr

from cosim.blocks.dataset import config_of


def macro_parameters(data: xr.Dataset) -> dict[str, float]:
    """Parameters of netlists/integrator.cir with which it answers like the nominal integrator of a data set.

    gain, gbw, vmin and vmax are figures; the macro model has no input capacitance, so `cbl` is that of the bit line and
    the input together, from the feedback factor. The offset goes to the clamp voltage: `vclp` [V] is what the macro's
    pin must be given. The model knows neither the reset's pedestal nor poles beyond the first.
    """
    config = config_of(data)
    nominal = data.sel(chip=-1)
    beta = float(nominal["feedback_factor"])
    return {
        "cfb": config["c_fb"],
        "cbl": config["c_fb"] * (1 / beta - 1),
        "gain": float(nominal["dc_gain"]),
        "gbw": float(nominal["gbw"]),
        "vmin": float(data["output_low"]),
        "vmax": float(data["output_high"]),
        "vclp": config["v_clp"] + float(nominal["offset"]),
    }
