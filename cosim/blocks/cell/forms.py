"""Candidate forms of the model of a cell: which law each of its parts has."""

FORMS = {
    "best": "lowest BIC each",
    "constant": "plainest laws",
    "affine": "affine laws",
    "full": "richest laws",
}
"""Form -> what it is, short enough for a column of `cosim fit --compare`; docs/models_cell.md has the laws."""

FORM_LAWS: dict[str, dict[str, tuple[str, ...]]] = {
    "constant": {"iv": ("ohmic",), "programming": ("constant",), "noise": ("proportional", "flicker"),
                 "drift": ("one",), "pulses": ("plain",)},
    "affine": {"iv": ("cubic",), "programming": ("linear",), "noise": ("affine", "flicker"), "drift": ("affine",),
               "pulses": ("memory",)},
    "full": {"iv": ("sinh",), "programming": ("quartic",), "noise": ("affine", "flicker_capped"),
             "drift": ("limits",), "pulses": ("memory",)},
}  # fmt: skip
"""Form -> part -> its laws, the first that the kind of the data allows (white or 1/f reads) being taken."""
