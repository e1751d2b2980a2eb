"""The files that come with cosim: netlists, device models, shipped models and weights.

Netlists, processes and device models stand at the top of the source tree, for engineers to read and copy; an installed
package carries them inside itself.
"""

from pathlib import Path

from cosim.errors import CosimError, did_you_mean

_PACKAGE = Path(__file__).resolve().parent


def _folder(name: str) -> Path:
    """`netlists`, `processes` or `device_models`: inside an installed package, else beside it in the source tree."""
    for place in (_PACKAGE / name, _PACKAGE.parent / name):
        if place.is_dir():
            return place
    raise CosimError(f"the folder '{name}' of this installation is missing; install cosim again", file=_PACKAGE / name)


def netlist_names() -> list[str]:
    """Names of the shipped netlists, without `.cir`, sorted."""
    return sorted(path.stem for path in _folder("netlists").glob("*.cir"))


def netlist_path(name: str | Path) -> Path:
    """The file of a netlist: a shipped one by name ("integrator"), else the path of the user's own."""
    known = netlist_names()
    stem = str(name).removesuffix(".cir")
    if stem in known:
        return _folder("netlists") / f"{stem}.cir"
    if Path(name).is_file():
        return Path(name)
    raise CosimError(
        f"no such netlist, neither shipped nor a file.{did_you_mean(stem, known)}",
        value=str(name),
        allowed=[*known, "or the path of a .cir file"],
    )


def read_netlist(name: str | Path) -> str:
    """The text of a netlist (see `netlist_path`)."""
    path = netlist_path(name)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CosimError(f"cannot read this netlist: {error}", file=path) from error


def process_names() -> list[str]:
    """Names of the shipped processes, sorted."""
    return sorted(path.stem for path in _folder("processes").glob("*.toml"))


def process_file(name: str | Path) -> Path:
    """The TOML file of a process: a shipped one by name ("generic180"), else the user's by path."""
    known = process_names()
    if str(name) in known:
        return _folder("processes") / f"{name}.toml"
    if Path(name).is_file():
        return Path(name)
    raise CosimError(
        f"no such process, neither shipped nor a file.{did_you_mean(str(name), known)}",
        key="process",
        value=str(name),
        allowed=[*known, "or the path of a TOML file"],
    )


def device_names() -> list[str]:
    """Names of the shipped device models, sorted."""
    return sorted(path.parent.name for path in _folder("device_models").glob("*/parameters.toml"))


def device_folder(name: str | Path) -> Path:
    """The folder of a device model: a shipped one by name ("taox_1t1r"), else the user's by path."""
    known = device_names()
    if str(name) in known:
        return _folder("device_models") / str(name)
    path = Path(name)
    if (path / "parameters.toml").is_file():
        return path
    if path.is_dir():
        raise CosimError("this folder holds no parameters.toml", file=path)
    raise CosimError(
        f"no such device model, neither shipped nor a folder.{did_you_mean(str(name), known)}",
        value=str(name),
        allowed=[*known, "or the path of a folder with a parameters.toml"],
    )


def shipped(name: str) -> Path:
    """A file of `cosim/shipped/`: fitted models, weights."""
    folder = _PACKAGE / "shipped"
    path = folder / name
    if path.is_file():
        return path
    there = sorted(
        each.relative_to(folder).as_posix()
        for each in folder.rglob("*")
        if each.is_file() and "__pycache__" not in each.parts and each.name != "__init__.py"
    )
    raise CosimError(
        f"no such shipped file.{did_you_mean(name, there)}", value=name, allowed=there or "none is shipped"
    )
