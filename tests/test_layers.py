"""Imports run only downwards: cli > commands > doctor > demo > reports > studies > training, networks > tiles,
costs > blocks > devices, spice, datasets; below them all, the modules at the top of the package."""

import ast
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import cosim

PACKAGE = Path(cosim.__file__).parent

# From the bottom to the top. A module of one row uses rows below its own, and its neighbours in the
# same row where no circle comes of it; `datasets` uses no neighbour.
ROWS = (
    ("",),  # errors, units, provenance, resources, ...: single modules that everything may use
    ("devices", "process", "spice", "datasets"),
    ("blocks",),
    ("tiles", "costs"),
    ("training", "networks"),
    ("studies",),
    ("reports",),
    ("demo",),
    ("doctor",),
    ("commands",),
    ("cli",),
)
RANK = {part: rank for rank, row in enumerate(ROWS) for part in row}

MODULES = {
    ".".join(("cosim", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def part_of(module: str) -> str:
    """The layer a module belongs to: `blocks` for cosim.blocks.dac.fit, "" for the modules all may use."""
    names = module.split(".")
    if len(names) == 1:
        return ""
    if names[1] in RANK:
        return names[1]
    is_package = (PACKAGE / names[1]).is_dir()
    assert not is_package, f"the package cosim.{names[1]} stands in no row of the layers"
    return ""


def imports_of(module: str, path: Path) -> Iterator[str]:
    """The modules of cosim that a file imports, anywhere in it, also inside functions."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] == "cosim")
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            if base.split(".")[0] == "cosim":
                inner = (f"{base}.{alias.name}" for alias in node.names)
                yield from (name if name in MODULES else base for name in inner)


GRAPH = {module: sorted(set(imports_of(module, path)) - {module}) for module, path in MODULES.items()}


def test_every_import_names_a_module_that_is_there() -> None:
    missing = [(module, used) for module, uses in GRAPH.items() for used in uses if used not in MODULES]
    assert missing == []


def test_imports_run_only_downwards() -> None:
    upwards = [
        f"{module} imports {used}"
        for module, uses in GRAPH.items()
        for used in uses
        if RANK[part_of(used)] > RANK[part_of(module)]
    ]
    assert upwards == []


def test_datasets_stands_alone() -> None:
    neighbours = {"devices", "spice"}
    found = [
        f"{module} imports {used}"
        for module, uses in GRAPH.items()
        for used in uses
        if (part_of(module) == "datasets" and part_of(used) in neighbours)
        or (part_of(module) in neighbours and part_of(used) == "datasets")
    ]
    assert found == []


def test_no_circles_between_modules() -> None:
    circle = find_circle(GRAPH)
    assert circle is None, " -> ".join(circle or ())


def test_no_circles_between_layers() -> None:
    layers: dict[str, list[str]] = {}
    for module, uses in GRAPH.items():
        own = part_of(module)
        layers.setdefault(own, []).extend(part_of(used) for used in uses if part_of(used) != own)
    circle = find_circle(layers)
    assert circle is None, " -> ".join(circle or ())


@pytest.mark.parametrize("library", ["PySpice", "cffi"])
def test_only_the_spice_layer_knows_the_simulator(library: str) -> None:
    users = [
        module
        for module, path in MODULES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Import) and any(a.name.split(".")[0] == library for a in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == library)
    ]
    assert [module for module in users if part_of(module) != "spice"] == []


def test_a_circle_would_be_found() -> None:
    assert find_circle({"a": ["b"], "b": ["c"], "c": []}) is None
    circle = find_circle({"a": ["b"], "b": ["c"], "c": ["b"]})
    assert circle is not None and set(circle) == {"b", "c"}
    assert all(after in {"b": ["c"], "c": ["b"]}[before] for before, after in pairwise(circle))


def find_circle(graph: dict[str, list[str]]) -> list[str] | None:
    """A path that ends where it begins, or None."""
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str] | None:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        for used in graph.get(node, ()):
            circle = walk(used, [*path, node])
            if circle:
                return circle
        done.add(node)
        return None

    for start in graph:
        circle = walk(start, [])
        if circle:
            return circle
    return None
