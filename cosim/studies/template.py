"""A commented study file to begin with."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from cosim.studies.settings import known_names
from cosim.studies.subjects import SUBJECTS
from cosim.studies.sweep import METHODS


def template() -> str:
    """The text; `cosim study check` accepts it as it is."""
    networks = "".join(f"\n#   {kind.name:18} {kind.description}" for kind in SUBJECTS.values())
    return f"""# A study: the accuracy of a network on hardware, over what is swept.
#   cosim study check FILE     every fault, with its line
#   cosim study plan FILE      points, time, memory
#   cosim study run FILE       run it; the same command resumes it
# Quantities stand in quotes with their unit.

schema = "cosim.study/1"
title = "Bits of the converters and read noise"
seed = 1              # of chips, reads and the drawing of test samples
chips = 10            # drawn a point; the same in all points, so that points can be compared in pairs
noise_samples = 1     # reads of all test samples on each chip
test_samples = 200    # of the official test part; without this line: all

# ---- what all points share; whatever is left out has its default -------------------------------------------

[network]             # networks:{networks}
name = "digits_lstm"
# weights = "qat"     # a form of this network, or a file

[tile]
dac_bits = 5          # of the inputs, sign included
weight_bits = 5       # of the weights, sign included
# adc.temperature = 27          # [degC]; tile.adc.*: the ramp ADC, what is left out is that of the fitted model
# adc.v_read = "0.2 V"
# crossbar.r_wire_row = "1 ohm" # tile.crossbar.*: the array

[device]
name = "taox_1t1r"
# read_noise = "0.2 %"          # in place of the device's own
# time = "1 day"                # after programming, for devices that drift (pcm_inference)

# [models]
# ramp_adc.file = "ramp_adc"    # a shipped model, or a file of `cosim fit`
# ramp_adc.parameters.offset_sigma = "2 mV"

# [nonidealities]               # all are in; to leave one out:
# adc_noise = false

# [fidelity]                    # ideal, quantised, behavioural or spice; of single layers by their name
# default = "behavioural"

# [functions]                   # what converters make in place of an activation
# tanh = "expr: tanh(x) @ -4, 4"   # with the range of inputs that its code spans

# ---- what is swept -----------------------------------------------------------------------------------------
# methods: {", ".join(METHODS)}

[sweep]
method = "grid"                 # all combinations

[sweep.over]                    # settings by their dotted name, a list of values each
"tile.adc.bits" = [4, 5, 6]
"device.read_noise" = ["0 %", "0.2 %", "1 %"]

# [sweep]
# method = "latin hypercube"    # also "sobol": Sobol indices (samples: a power of 2)
# samples = 100
# over."tile.adc.v_read" = {{ low = "0.1 V", high = "0.3 V" }}
# over."tile.crossbar.r_wire_row" = {{ low = "0.1 ohm", high = "10 ohm", scale = "log" }}

# [sweep]
# method = "list"
# [[sweep.points]]
# "tile.adc.bits" = 4
# "tile.dac_bits" = 4

# [sweep]
# method = "ladder"             # no non-ideality, each alone, all

# [sweep]
# method = "pareto"             # a search; figures of the results
# objectives = {{ accuracy = "max", conversions = "min" }}
# population = 20
# generations = 10
# over."tile.adc.bits" = [3, 4, 5, 6]

# ---- settings by their dotted name -------------------------------------------------------------------------
{_names()}"""


def _choices(annotation: Any) -> list[str]:
    """The words that a setting chooses from; none where it takes a number, a name or a switch."""
    if get_origin(annotation) is Literal:
        return [each for each in get_args(annotation) if isinstance(each, str)]
    return [word for each in get_args(annotation) for word in _choices(each)]


def _names() -> str:
    lines = []
    for name, setting in known_names().items():
        field = setting.field
        about = [field.description or ""] if field is not None and field.description else []
        about += [setting.allowed] if setting.allowed else []
        choices = _choices(None if field is None else field.annotation)
        about += [", ".join(choices)] if choices else []
        lines.append(f"#   {name:34} {'; '.join(about)}".rstrip())
    lines.append(
        "#   fidelity.LAYER, functions.ACTIVATION, models.ramp_adc.parameters.NAME, models.crossbar.parameters.NAME"
    )
    return "\n".join(lines) + "\n"
