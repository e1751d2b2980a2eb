"""Candidate forms of a block's model, fitted to the same data and set side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cosim.blocks.model import ModelError
from cosim.blocks.registry import Block, fit_of, forms_of, residuals_of
from cosim.blocks.regression import information_criteria
from cosim.errors import CosimError


@dataclass(frozen=True)
class Candidate:
    """One form and one quantity.

    Attributes
    ----------
    parameters, points: fitted numbers behind the quantity, points that they were fitted to.
    aic, bic: on the points of the fit; lower is better. Compare them within one quantity only. None, as is `seen_rms`,
        where the fit saw no point of the quantity: its held-out error judges alone.
    seen_rms: rms error on the points of the fit, in the unit of `held_out`.
    held_out: error on the points that the fit did not see; what should decide.
    """

    form: str
    description: str
    quantity: str
    parameters: int
    points: int
    aic: float | None
    bic: float | None
    seen_rms: float | None
    held_out: ModelError

    def as_dict(self) -> dict[str, Any]:
        names = ("form", "description", "quantity", "parameters", "points", "aic", "bic", "seen_rms")
        return {name: getattr(self, name) for name in names} | {
            "held_out": {name: getattr(self.held_out, name) for name in ModelError.__dataclass_fields__}
        }


def compare_forms(block: Block, data: Any, names: Sequence[str] = (), **options: Any) -> list[Candidate]:
    """Fit each form (all, or those named) and judge it; grouped by quantity, in the order of the block's `FORMS`.

    `data` and `options` go to the block's `fit`. A quantity that all the forms share in the same way stands there for
    each all the same. Raises CosimError when the block has one form only.
    """
    forms, fit, residuals = forms_of(block), fit_of(block), residuals_of(block)
    for name in names:
        if name not in forms:
            raise CosimError("the block's model has no such form", key="--form", value=name, allowed=list(forms))
    chosen = list(names) or list(forms)
    if len(chosen) < 2:
        raise CosimError(
            "two forms are wanted to compare", key="--compare", value=block.NAME, allowed=list(forms) or "none"
        )
    found: list[Candidate] = []
    for form in chosen:
        model = fit(data, form=form, **options)
        for each in residuals(model, data):
            seen = each.error[~each.held_out]
            aic, bic = information_criteria(seen, each.parameters) if seen.size else (None, None)
            found.append(
                Candidate(form, forms[form], each.quantity, each.parameters, int(seen.size), aic, bic,
                          each.seen_rms if seen.size else None, each.judged())
            )  # fmt: skip
    order = list(dict.fromkeys(each.quantity for each in found))
    return sorted(found, key=lambda each: order.index(each.quantity))
