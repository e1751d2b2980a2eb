"""Forms of a model side by side, on a block whose truth is known: a parabola with one level a chip."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cosim.blocks.candidates import compare_forms
from cosim.blocks.changes import compare_models
from cosim.blocks.model import Parameter
from cosim.blocks.residuals import Residuals, errors_of
from cosim.errors import CosimError

CHIPS, POINTS = 6, 20


def truth(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.tile(np.linspace(-1, 1, POINTS), CHIPS)
    chip = np.repeat(np.arange(CHIPS), POINTS)
    return {"x": x, "chip": chip, "y": 1.0 + 2.0 * x + 0.5 * x**2 + rng.normal(0, 0.01, x.size)}


def fit(data: dict[str, np.ndarray], *, allow_failed: bool = False, form: str | None = None) -> Any:
    degree = {"line": 1, "parabola": 2, "quintic": 5}[form or "parabola"]
    seen = data["chip"] % 2 == 0
    values = np.polynomial.polynomial.polyfit(data["x"][seen], data["y"][seen], degree)
    reach = 0.01
    parameters = {f"c{n}": Parameter(float(v), "V", float(v) - reach, float(v) + reach) for n, v in enumerate(values)}
    model = SimpleNamespace(parameters=parameters, errors={}, error=None)
    model.errors = errors_of(residuals(model, data))
    model.error = model.errors["level"]
    return model


def residuals(model: Any, data: dict[str, np.ndarray]) -> tuple[Residuals, ...]:
    values = [each.value for each in model.parameters.values()]
    predicted = np.polynomial.polynomial.polyval(data["x"], values)
    held_out = data["chip"] % 2 == 1
    return (
        Residuals("level", data["y"], predicted, predicted - data["y"], "V", held_out, data["x"], "x [1]", 0.05,
                  "chips with odd numbers", len(values)),
    )  # fmt: skip


FORMS = {"parabola": "second degree", "line": "first degree", "quintic": "fifth degree"}
BLOCK: Any = SimpleNamespace(NAME="level", FORMS=FORMS, fit=fit, residuals=residuals)


def test_the_true_form_wins() -> None:
    found = {each.form: each for each in compare_forms(BLOCK, truth(1))}
    assert list(found) == ["parabola", "line", "quintic"]
    for criterion in ("aic", "bic"):
        values = {name: getattr(each, criterion) for name, each in found.items()}
        assert values["parabola"] < values["line"] - 100
    assert found["parabola"].bic < found["quintic"].bic  # three more numbers that explain nothing
    assert found["line"].held_out.rms > 10 * found["parabola"].held_out.rms
    assert found["parabola"].held_out.rms == pytest.approx(0.01, rel=0.3)  # the noise, of 60 points: 3 sigma are 27 %
    assert (found["parabola"].parameters, found["parabola"].points) == (3, 60)
    assert found["parabola"].as_dict()["held_out"]["unit"] == "V"


def test_a_quantity_of_which_the_fit_saw_nothing_is_judged_all_the_same() -> None:
    """It has no criterion, and is not left out."""

    def all_held_out(model: Any, data: dict[str, np.ndarray]) -> tuple[Residuals, ...]:
        (level,) = residuals(model, data)
        return (level, replace(level, quantity="elsewhere", held_out=np.ones(level.held_out.shape, dtype=bool)))

    block: Any = SimpleNamespace(NAME="level", FORMS=FORMS, fit=fit, residuals=all_held_out)
    found = [each for each in compare_forms(block, truth(1)) if each.quantity == "elsewhere"]
    assert [each.form for each in found] == list(FORMS)
    assert all((each.points, each.aic, each.bic, each.seen_rms) == (0, None, None, None) for each in found)
    assert found[0].held_out.points == CHIPS * POINTS


def test_chosen_forms_only() -> None:
    assert [each.form for each in compare_forms(BLOCK, truth(1), ["line", "quintic"])] == ["line", "quintic"]


@pytest.mark.parametrize(("names", "says"), [(["cube"], "no such form"), (["line"], "two forms")])
def test_what_cannot_be_compared_is_refused(names: list[str], says: str) -> None:
    with pytest.raises(CosimError, match=says):
        compare_forms(BLOCK, truth(1), names)


def test_a_block_of_one_form_has_nothing_to_compare() -> None:
    alone: Any = SimpleNamespace(NAME="level", fit=fit, residuals=residuals)
    with pytest.raises(CosimError, match="two forms"):
        compare_forms(alone, truth(1))


# --- made again


def test_the_same_data_give_the_identical_model() -> None:
    change = compare_models(BLOCK, fit(truth(1)), fit(truth(1)), truth(1))
    assert change.identical and not change.beyond and change.parameters == ()
    assert change.quantities[0].moved == 0.0


def test_other_noise_moves_a_model_within_its_error() -> None:
    change = compare_models(BLOCK, fit(truth(1)), fit(truth(2)), truth(2))
    assert not change.identical and not change.beyond and change.parameters == ()
    (quantity,) = change.quantities
    # The mean of three coefficients' errors, 0.01 V sqrt(3 / 60) = 2.2 mV each fit, against 10 mV of noise.
    assert 0.0 < quantity.moved < 0.005 and quantity.stated == pytest.approx(0.01, rel=0.3)


def test_another_circuit_is_told() -> None:
    moved = truth(2)
    moved["y"] = moved["y"] + 0.03
    change = compare_models(BLOCK, fit(truth(1)), fit(moved), moved)
    assert change.beyond
    assert [each.name for each in change.parameters] == ["c0"]
    assert change.quantities[0].moved == pytest.approx(0.03, rel=0.1)


def test_a_parameter_that_is_new_is_told() -> None:
    change = compare_models(BLOCK, fit(truth(1), form="line"), fit(truth(1)), truth(1))
    assert ("c2", None) in [(each.name, each.old) for each in change.parameters]


@pytest.mark.parametrize("which", ["lost", "gained", "at other points"])
def test_a_quantity_that_cannot_be_held_against_the_old_model_is_a_change(which: str) -> None:
    """Silence would be taken for "nothing changed"."""
    old, new, data = fit(truth(1)), fit(truth(1)), truth(1)

    def told(model: Any, data: dict[str, np.ndarray]) -> tuple[Residuals, ...]:
        (level,) = residuals(model, data)
        arrays = ("reference", "predicted", "error", "held_out", "x")
        shorter = {name: getattr(level, name)[1:] for name in arrays}
        other = {"lost": model is old, "gained": model is new, "at other points": True}[which]
        cut = which == "at other points" and model is old
        return (level, *([replace(level, quantity="second", **(shorter if cut else {}))] if other else []))

    block: Any = SimpleNamespace(NAME="level", FORMS=FORMS, fit=fit, residuals=told)
    change = compare_models(block, old, new, data)
    assert change.unmatched == ("second",) and change.beyond
    assert [each.quantity for each in change.quantities] == ["level"]
