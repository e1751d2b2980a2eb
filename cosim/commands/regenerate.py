"""`cosim regenerate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from cosim.commands.common import check_writable, out, print_json, quantity
from cosim.errors import CosimError


def show_recipes(names: list[str], recipes_file: Path | None, as_json: bool) -> None:
    """`cosim regenerate --list`."""
    from cosim.blocks.recipes import choose, read_recipes

    recipes = choose(read_recipes(recipes_file), names)
    if as_json:
        print_json({name: recipe.model_dump(mode="json") for name, recipe in recipes.items()})
        return
    for name, recipe in recipes.items():
        out.print(f"{name}  {recipe.description} (block {recipe.block}, {len(recipe.data)} data sets)")


def regenerate(
    names: list[str],
    recipes_file: Path | None,
    models: Path | None,
    output: Path | None,
    data_folder: Path | None,
    check: bool,
    workers: int | None,
    use_cache: bool,
    as_json: bool,
) -> bool:
    """Make models again from SPICE by their recipes and say what changed beyond its error; whether nothing did.

    `models`: folder of the models that were there, the shipped ones when None. With `check` nothing is written, and a
    model that is not there counts as a change.
    """
    from cosim.blocks.recipes import choose, read_recipes
    from cosim.resources import shipped
    from cosim.spice import open_pool

    chosen = choose(read_recipes(recipes_file), names)
    before = models if models is not None else shipped("models/recipes.toml").parent
    if models is not None and not models.is_dir():
        raise CosimError("there is no such folder", file=models, key="--models")
    target = output or Path("models")
    for key, folder in (("--output", None if check else target), ("--data", data_folder)):
        if folder is not None:
            check_writable(folder, folder=True, key=key)
    for name, recipe in chosen.items():
        if not check:
            check_writable(target / f"{name}.json")
        _model_before(before / f"{name}.json", recipe.block)  # what is wrong with it is told before hours of work
    answers: dict[str, Any] = {}
    with open_pool(workers, use_cache=use_cache) as pool:
        for number, (name, recipe) in enumerate(chosen.items()):
            if not as_json:
                out.print(f"model {number + 1} of {len(chosen)}: {name}, {recipe.description}")
            answers[name] = _one(name, recipe, before, None if check else target, data_folder, pool, as_json)
            if not as_json:
                _print(answers[name])
    # A model that is not there cannot be the one that is made: of no use to a check.
    unchanged = not any(answer["beyond"] or (check and answer["new"]) for answer in answers.values())
    if as_json:
        print_json({"unchanged": unchanged, "models": answers})
    else:
        out.print("nothing changed beyond its error" if unchanged else "something changed beyond its error, see above")
    return unchanged


def _one(
    name: str, recipe: Any, before: Path, target: Path | None, data_folder: Path | None, pool: Any, quiet: bool
) -> dict[str, Any]:
    from dataclasses import asdict

    from cosim.blocks.changes import compare_models, same_content
    from cosim.blocks.dataset import save_dataset
    from cosim.blocks.recipes import fit_input, fit_recipe, make_data
    from cosim.blocks.registry import get_block, residuals_of
    from cosim.reports.plots.residuals import write_residual_plot

    started = time.perf_counter()
    block = get_block(recipe.block)
    data = make_data(recipe, pool, show_progress=not quiet)
    if data_folder is not None:
        for number, each in enumerate(data):
            save_dataset(each, data_folder / (f"{name}.nc" if len(data) == 1 else f"{name}_{number + 1}.nc"))
    try:
        model = fit_recipe(recipe, data)
    except CosimError as error:
        raise CosimError(
            f"the model of recipe '{name}' cannot be fitted: {error.message}",
            key=error.key, value=error.value, allowed=error.allowed,
        ) from error  # fmt: skip
    taken = fit_input(block, data)
    residuals = residuals_of(block)(model, taken)
    path_before = before / f"{name}.json"
    old = _model_before(path_before, recipe.block)
    change = None if old is None else compare_models(block, old, model, taken)
    answer: dict[str, Any] = {
        "file": None,
        "new": change is None,
        "identical": change is not None and change.identical and same_content(path_before, block, model),
        "beyond": change is not None and change.beyond,
        "quantities": [] if change is None else [asdict(each) for each in change.quantities],
        "parameters": [] if change is None else [asdict(each) for each in change.parameters],
        "unmatched": [] if change is None else list(change.unmatched),
        "errors": {
            each.quantity: {"rms": each.judged().rms, "limit": each.limit, "unit": each.unit} for each in residuals
        },
        "warnings": [note for each in residuals for note in each.warnings()],
    }
    if target is not None:
        path = target / f"{name}.json"
        model.save(path)
        answer["file"] = str(path)
        if data_folder is not None:
            write_residual_plot(f"{name} against its data", residuals, data_folder / f"{name}.svg")
    answer["seconds"] = round(time.perf_counter() - started, 1)
    return answer


def _model_before(path: Path, block: str) -> Any:
    """The model that was there, whatever its error; None where there was none."""
    from cosim.blocks.registry import get_block
    from cosim.commands.models import faults_of_model

    if not path.exists():
        return None
    with faults_of_model(path, block):
        return get_block(block).load_model(path, accept=True)


def _print(answer: dict[str, Any]) -> None:
    errors = ", ".join(f"{name} {each['rms']:.3g} {each['unit']}" for name, each in answer["errors"].items())
    out.print(f"  held-out error, rms: {errors}; {answer['seconds']} s")
    for note in answer["warnings"]:
        out.print(f"  warning: {note}")
    if answer["new"]:
        out.print("  there was no such model before")
    elif answer["identical"]:
        out.print("  identical to the model that was there")
    else:
        for each in answer["quantities"]:
            moved, stated, now = (f"{each[key]:.3g} {each['unit']}" for key in ("moved", "stated", "now"))
            verdict = "BEYOND ITS ERROR" if each["beyond"] else "within its error"
            out.print(f"  {each['quantity']}: moved by {moved} rms, stated error {stated}, now {now}: {verdict}")
        for name in answer["unmatched"]:
            out.print(f"  {name}: only one of both models tells it, or at other points: NOT TO BE COMPARED")
        for each in answer["parameters"]:
            old, new = (_shown(each[key], each["unit"]) for key in ("old", "new"))
            out.print(f"  parameter {each['name']} moved beyond its interval: {old} -> {new}")
    if answer["file"]:
        out.print(f"  wrote {answer['file']}")


def _shown(value: Any, unit: str) -> str:
    if value is None:
        return "absent"
    return quantity(value, unit) if isinstance(value, float) else f"{len(value)} numbers"
