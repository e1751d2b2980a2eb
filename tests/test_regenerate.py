"""`cosim regenerate`: recipes are checked whole, models made again, changes told."""

import json
from pathlib import Path
from typing import Any

import pytest

from cosim.blocks.recipes import read_recipes
from cosim.blocks.registry import get_block
from cosim.errors import CosimError
from cosim.resources import shipped

RECIPES = """
schema = "cosim.recipes/1"

[models.small]
block = "crossbar"
description = "a small array"
seed = 3

[[models.small.data]]
settings = { rows = 8, columns = 4 }
sweeps = { arrays = 4, vectors = 6, measurements = ["currents"] }
"""


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    path = tmp_path / "recipes.toml"
    path.write_text(RECIPES)
    return path


def test_made_twice_is_identical(cosim: Any, recipes: Path, tmp_path: Path) -> None:
    code, out, _ = cosim("regenerate", "--recipes", "recipes.toml", "--models", ".", "-o", "first", "--json")
    answer = json.loads(out)
    assert code == 0 and answer["models"]["small"]["new"]
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == ["small.json"]
    code, out, _ = cosim("regenerate", "--recipes", "recipes.toml", "--models", "first", "--check", "--json")
    answer = json.loads(out)
    assert code == 0 and answer["unchanged"]
    assert answer["models"]["small"]["identical"] and not answer["models"]["small"]["beyond"]
    assert answer["models"]["small"]["file"] is None and not (tmp_path / "models").exists()
    get_block("crossbar").load_model(tmp_path / "first" / "small.json")


def test_a_check_against_a_model_that_is_not_there_fails(cosim: Any, recipes: Path) -> None:
    code, out, _ = cosim("regenerate", "--recipes", "recipes.toml", "--models", ".", "--check", "--json")
    answer = json.loads(out)
    assert code == 1 and answer["models"]["small"]["new"] and not answer["unchanged"]


def test_another_circuit_is_told_with_exit_code_one(cosim: Any, recipes: Path, tmp_path: Path) -> None:
    assert cosim("regenerate", "--recipes", "recipes.toml", "--models", ".", "-o", "first")[0] == 0
    recipes.write_text(RECIPES.replace("columns = 4 }", "columns = 4, r_wire_row = '9 ohm' }"))
    code, out, _ = cosim("regenerate", "--recipes", "recipes.toml", "--models", "first", "--check")
    assert code == 1
    assert "BEYOND ITS ERROR" in out and "r_wire_row moved beyond its interval" in out
    # Without --check the new model is written, which is what was asked for.
    code, out, _ = cosim(
        "regenerate", "--recipes", "recipes.toml", "--models", "first", "-o", "second", "--data", "data"
    )
    assert code == 0 and "something changed beyond its error" in out
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["small.nc", "small.svg"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("cosim.recipes/1", "cosim.recipes/9", "schema"),
        ('block = "crossbar"', 'block = "crosbar"', "models.small': value 'crosbar': unknown block. Did you mean"),
        ('block = "crossbar"', 'block = "macro"', "characterised only"),
        ("rows = 8", "rows = -8", "rows"),
        ("rows = 8", "rowz = 8", "rowz"),
        ("arrays = 4", "arrayz = 4", "unknown sweep"),
        ("arrays = 4", 'arrays = "4"', "a whole number"),
        ("models.small", "models.'../small'", "not a name for a file"),
        ("seed = 3", "seed = -3", "seed"),
        ("seed = 3", "seed = 3\nform = 'cubic'", "no such form"),
        ("[[models.small.data]]", "[[models.small.data]]\n[[models.small.data]]", "fitted to one data set"),
    ],
)
def test_a_recipe_that_is_wrong_is_one_message_before_anything_runs(
    cosim: Any, recipes: Path, tmp_path: Path, old: str, new: str, says: str
) -> None:
    assert old in RECIPES
    recipes.write_text(RECIPES.replace(old, new))
    code, out, err = cosim("regenerate", "--recipes", "recipes.toml")
    assert (code, out) == (2, "")
    assert err.startswith("error: recipes.toml") and err.count("\n") == 1 and says in err
    assert list(tmp_path.iterdir()) == [recipes]


def test_an_unknown_model_is_refused(cosim: Any, recipes: Path) -> None:
    code, _, err = cosim("regenerate", "smal", "--recipes", "recipes.toml")
    assert code == 2 and "Did you mean 'small'?" in err


# --- what is shipped


def test_every_recipe_has_its_model_and_every_model_its_recipe() -> None:
    folder = shipped("models/recipes.toml").parent
    assert {path.stem for path in folder.glob("*.json")} == set(read_recipes())


@pytest.mark.parametrize("name", sorted(read_recipes()))
def test_a_shipped_model_loads_within_its_limits(name: str) -> None:
    """Each states an error for every quantity, on points that the fit did not see, and is of its recipe's block."""
    recipe = read_recipes()[name]
    model = get_block(recipe.block).load_model(shipped(f"models/{name}.json"))
    assert model.error.points > 0 and model.error.within_limit
    assert model.provenance["data_set"]["simulator"].startswith("ngspice")


def test_recipes_are_listed(cosim: Any) -> None:
    code, out, _ = cosim("regenerate", "--list")
    assert code == 0
    for name in read_recipes():
        assert name in out


def test_a_missing_recipe_file_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match="cannot read this file"):
        read_recipes(tmp_path / "none.toml")
