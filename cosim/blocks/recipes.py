"""Recipes: how each shipped model is made from SPICE, so that one command makes them all again.

    schema = "cosim.recipes/1"

    [models.comparator_two_stage]          # the model's file is comparator_two_stage.json
    block = "comparator"
    description = "..."
    seed = 1                               # of all variations
    form = "..."                           # of the block's FORMS; may be absent

    [[models.comparator_two_stage.data]]   # one data set each; several where the block fits many
    settings = { comparator = "comparator_two_stage" }
    sweeps = { chips = 64 }
    over = { temperature = [-40, 27, 125] }

The shipped recipes are `cosim/shipped/models/recipes.toml`; a user's own file of this form works as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from cosim.blocks.over import combine, conditions
from cosim.blocks.registry import Block, fit_of, fits_many, forms_of, get_block
from cosim.blocks.sweeps import sweep_options
from cosim.errors import CosimError, did_you_mean
from cosim.resources import shipped
from cosim.spice import SimulatorPool
from cosim.validation import read_toml, validated

_FORBID = ConfigDict(extra="forbid", frozen=True)


class DataRecipe(BaseModel):
    """One data set: settings of the block, sweeps of its `characterise`, settings that become dimensions; `seed` where
    its chips are to be others than those of the model's other data sets."""

    model_config = _FORBID

    seed: int | None = Field(None, ge=0)

    settings: dict[str, Any] = Field(default_factory=dict)
    sweeps: dict[str, Any] = Field(default_factory=dict)
    over: dict[str, list[Any]] = Field(default_factory=dict)


class ModelRecipe(BaseModel):
    """One model: its block, its data sets, and the form that is fitted."""

    model_config = _FORBID

    block: str
    description: str
    seed: int = Field(1, ge=0)
    form: str | None = None
    data: tuple[DataRecipe, ...] = Field((DataRecipe(),), min_length=1)


class Recipes(BaseModel):
    """A file of recipes."""

    model_config = _FORBID

    schema_: Literal["cosim.recipes/1"] = Field(alias="schema")
    models: dict[str, ModelRecipe] = Field(min_length=1)


def read_recipes(path: str | Path | None = None) -> dict[str, ModelRecipe]:
    """Name -> recipe, of a file or of the shipped one; everything is checked, nothing is simulated."""
    file = Path(path) if path is not None else shipped("models/recipes.toml")
    recipes = validated(Recipes, read_toml(file), file=file).models
    for name, recipe in recipes.items():
        with _faults_of(file, name):
            _check(name, recipe)
    return recipes


def choose(recipes: dict[str, ModelRecipe], names: list[str]) -> dict[str, ModelRecipe]:
    """The recipes of those names, all where none is given; CosimError for a name that is not there."""
    for name in names:
        if name not in recipes:
            raise CosimError(
                f"there is no recipe of this name.{did_you_mean(name, recipes)}", value=name, allowed=list(recipes)
            )
    return {name: recipe for name, recipe in recipes.items() if not names or name in names}


def shipped_model(name: str, accept: bool = False) -> Any:
    """A model that comes with cosim, by the name of its recipe; CosimError for a name that is not there."""
    recipe = next(iter(choose(read_recipes(), [name]).values()))
    return get_block(recipe.block).load_model(shipped(f"models/{name}.json"), accept)


def model_path(name: str | Path) -> Path:
    """The file of a model: a path, or the name of a shipped one ("ramp_adc"); a file of that name comes first."""
    path = Path(name)
    if path.exists() or path.parent != Path() or path.suffix:
        return path
    return shipped(f"models/{name}.json") if str(name) in read_recipes() else path


def make_data(recipe: ModelRecipe, pool: SimulatorPool, show_progress: bool = True) -> list[xr.Dataset]:
    """The data sets of a recipe, simulated (or out of the cache of results)."""
    block = get_block(recipe.block)
    made = []
    for part in recipe.data:
        configs = conditions(block, None, part.settings, part.over)
        options = sweep_options(block.characterise, part.sweeps, key="sweeps")
        seed = recipe.seed if part.seed is None else part.seed
        found = [
            block.characterise(config, seed=seed, pool=pool, show_progress=show_progress, **options)
            for config in configs
        ]
        made.append(combine(block, configs, list(part.over), found))
    return made


def fit_input(block: Block, data: list[xr.Dataset]) -> Any:
    """What the block's `fit` takes: the list where it fits many, else the only one."""
    return data if fits_many(block) else data[0]


def fit_recipe(recipe: ModelRecipe, data: list[xr.Dataset]) -> Any:
    """The model of the recipe's data sets; failed points are refused, as by `cosim fit`."""
    block = get_block(recipe.block)
    options = {} if recipe.form is None else {"form": recipe.form}
    return fit_of(block)(fit_input(block, data), **options)


def _check(name: str, recipe: ModelRecipe) -> None:
    if not name.isidentifier():
        raise CosimError("not a name for a file", value=name, allowed="letters, digits and _")
    block = get_block(recipe.block)
    fit_of(block)
    if recipe.form is not None and recipe.form not in forms_of(block):
        raise CosimError("the block's model has no such form", key="form", value=recipe.form,
                         allowed=list(forms_of(block)))  # fmt: skip
    if len(recipe.data) > 1 and not fits_many(block):
        raise CosimError("a model of this block is fitted to one data set", key="data", value=len(recipe.data))
    if any(part.over for part in recipe.data) and not fits_many(block):
        raise CosimError("a model of this block is of one condition", key="data.over")
    for part in recipe.data:
        conditions(block, None, part.settings, part.over)
        sweep_options(block.characterise, part.sweeps, key="sweeps")


@contextmanager
def _faults_of(file: Path, name: str) -> Iterator[None]:
    try:
        yield
    except CosimError as error:
        key = f"models.{name}" + (f".{error.key}" if error.key else "")
        raise CosimError(error.message, file=file, key=key, value=error.value, allowed=error.allowed) from error
