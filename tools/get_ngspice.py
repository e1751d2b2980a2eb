#!/usr/bin/env python3
"""See to it that a good libngspice is there: find one, or unpack the distribution's own.

Run by `make` with the Python of the virtual environment; standard library only. Needs no root,
installs nothing on the system, and changes no package source: on Debian and Ubuntu the package
is fetched with apt's own tools, its own keys and the machine's own mirror, with lists and cache
in a temporary folder, and unpacked into the virtual environment.
"""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType

PACKAGE = "libngspice0"
# What libngspice may lack on a bare machine, and the package that has it.
COMPANIONS = {"libgomp.so.1": "libgomp1", "libstdc++.so.6": "libstdc++6", "libgcc_s.so.1": "libgcc-s1"}
BY_HAND = (
    "Get one by hand and make again: `conda install -c conda-forge ngspice-lib`, or build ngspice 42 or "
    "newer with `--with-ngshared` and set NGSPICE_LIBRARY_PATH to its libngspice.so."
)


class SetupError(Exception):
    """No usable ngspice, with the cure in the text."""


def load_locate() -> ModuleType:
    """`cosim/spice/locate.py` by its path: the package itself may not be importable yet."""
    path = Path(__file__).resolve().parent.parent / "cosim" / "spice" / "locate.py"
    spec = importlib.util.spec_from_file_location("locate", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


locate = load_locate()


def main() -> int:
    try:
        print(f"ngspice: {see_to_it()}")
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def see_to_it() -> str:
    """Do what is needed; returns the sentence that says what there is now."""
    chosen = os.environ.get("NGSPICE_LIBRARY_PATH")
    if chosen:
        return users_choice(chosen)
    older = None
    for path in locate.candidates():
        found = locate.report(path)
        version = found.get("version", 0)
        if version >= locate.WANTED:
            drop_unpacked_unless(path)
            return describe(path, found)
        if version >= locate.OLDEST and older is None:
            older = describe(path, found)
    if sys.platform == "darwin":
        raise SetupError("there is no ngspice 42 or newer here. Type: brew install libngspice; then make again.")
    if not all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "apt-config", "dpkg")):
        if older:
            return older
        raise SetupError(f"there is no ngspice here, and this system ({platform.system()}) has no apt. {BY_HAND}")
    try:
        return unpack_from_distribution(at_least=locate.WANTED if older else locate.OLDEST)
    except SetupError as error:
        if older is None:
            raise
        print(f"ngspice: a newer one could not be had: {error}")
        return older


def users_choice(path: str) -> str:
    if not Path(path).is_file():
        raise SetupError(f"NGSPICE_LIBRARY_PATH: there is no file {path}. Correct it, or unset it to have one found.")
    found = locate.report(path)
    if "error" in found:
        raise SetupError(f"NGSPICE_LIBRARY_PATH: {path} is no usable libngspice: {found['error']}")
    return describe(Path(path), found) + ", chosen by NGSPICE_LIBRARY_PATH"


def describe(path: Path, found: dict) -> str:
    text = f"version {found['version_text']}, solver {'KLU' if found['klu'] else 'Sparse 1.3'}, {shown(path)}"
    if found["version"] < locate.WANTED:
        text += "\n  notice: older than 42, without KLU: the same answers, but large arrays take ten times longer"
    return text


def shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def drop_unpacked_unless(path: Path) -> None:
    """Remove an older unpacked copy, which would be found first, once something better is there."""
    folder = locate.unpacked_folder()
    if not path.is_relative_to(folder):
        shutil.rmtree(folder, ignore_errors=True)


def unpack_from_distribution(at_least: int) -> str:
    """Unpack the distribution's package, if its version is at least `at_least`."""
    print(
        "ngspice: none good enough here; asking the distribution (nothing is installed on the system) ...",
        flush=True,
    )
    with tempfile.TemporaryDirectory(prefix="cosim-apt-") as scratch:
        apt = PrivateApt(Path(scratch))
        apt.update()
        version = choose(apt.versions(PACKAGE))
        if upstream(version) < at_least:
            raise SetupError(f"the distribution offers {version}")
        # Unpack beside the final place and move at the end: a broken try must not be found later.
        fresh = locate.unpacked_folder().with_name("ngspice.new") / "ngspice"
        shutil.rmtree(fresh.parent, ignore_errors=True)
        fresh.mkdir(parents=True)
        try:
            apt.unpack(PACKAGE, version, fresh)
            library, found = complete(apt, fresh)
            final = locate.unpacked_folder()
            shutil.rmtree(final, ignore_errors=True)
            fresh.rename(final)
        finally:
            shutil.rmtree(fresh.parent, ignore_errors=True)
    return "unpacked " + describe(final / library.relative_to(fresh), found)


def choose(offered: list[tuple[str, str]]) -> str:
    """The version to take from (version, suite) pairs: the suite's own if good, else the newest."""
    good = [(version, suite) for version, suite in offered if upstream(version) >= locate.WANTED]
    own = [version for version, suite in good if not suite.endswith("-backports")]
    if own or good:
        return own[0] if own else good[0][0]
    usable = [version for version, _ in offered if upstream(version) >= locate.OLDEST]
    if usable:
        return usable[0]
    seen = ", ".join(version for version, _ in offered) or "none"
    raise SetupError(f"the distribution offers no ngspice of version {locate.OLDEST} or newer ({seen}). {BY_HAND}")


def upstream(version: str) -> int:
    """The ngspice version in a package version: 46 from '46+ds-1~bpo12+1', 0 where there is none."""
    match = re.match(r"(?:\d+:)?(\d+)", version)
    return int(match[1]) if match else 0


def complete(apt: "PrivateApt", folder: Path) -> tuple[Path, dict]:
    """Find the unpacked library, fetch what it lacks beside it, and see that it solves a circuit."""
    libraries = sorted(folder.glob("usr/lib/*/libngspice.so.0"))
    if not libraries:
        raise SetupError(f"the package {PACKAGE} holds no libngspice.so.0. {BY_HAND}")
    library = libraries[0]
    for _ in range(1 + len(COMPANIONS)):
        found = locate.report(library)
        missing = next((name for name in COMPANIONS if f"{name}: cannot open" in found.get("error", "")), None)
        if missing is None:
            break
        package = COMPANIONS[missing]
        print(f"ngspice: it needs {missing}, fetching {package} too", flush=True)
        versions = apt.versions(package)
        if not versions:
            raise SetupError(f"libngspice needs {missing}. Type as root: apt install {package}; then make again.")
        apt.unpack(package, versions[0][0], folder)
        for stray in folder.glob(f"lib/*/{missing}"):  # some releases keep it in /lib
            stray.replace(library.parent / missing)
    if "error" in found:
        raise SetupError(f"the unpacked libngspice does not load: {found['error']}. {BY_HAND}")
    if found["divider"] is None or abs(found["divider"] - 0.75) > 1e-9:
        errors = [line.removeprefix("stderr ") for line in found["log"] if line.startswith("stderr Error")]
        reason = errors[0] if errors else f"0.75 V expected, {found['divider']} V found"
        raise SetupError(f"the unpacked libngspice does not solve a resistor divider ({reason}). {BY_HAND}")
    return library, found


class PrivateApt:
    """apt's tools with lists, cache and sources of their own under `scratch`."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        for folder in ("lists/partial", "archives/partial"):
            (scratch / folder).mkdir(parents=True)
        self.sources = scratch / "sources.list"
        self.sources.write_text("".join(f"{line}\n" for line in source_lines()))
        configuration = scratch / "apt.conf"
        configuration.write_text(self._configuration())
        self.environment = {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C"}

    def _configuration(self) -> str:
        # The machine's own settings (proxy, certificates) count, but not its hooks: they act on
        # the system's cache, which is none of our business.
        settings = [
            line
            for line in run(["apt-config", "dump"]).stdout.splitlines()
            if not re.match(r"(DPkg|Dir|APT::Update|CommandLine|APT::Sandbox)\b", line, re.IGNORECASE)
        ]
        places = {
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::sourcelist": str(self.sources),
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State::lists": str(self.scratch / "lists"),
            "Dir::Cache": str(self.scratch),
            "Dir::Cache::archives": str(self.scratch / "archives"),
            "Acquire::Languages": "none",
        }
        if os.geteuid() == 0:
            # apt's own download user cannot write here; the files' signatures are checked all the same.
            places["APT::Sandbox::User"] = "root"
        return "\n".join([*settings, *(f'{name} "{value}";' for name, value in places.items()), ""])

    def update(self) -> None:
        done = run(["apt-get", "update", "-q"], self.environment)
        # A suite that is not there (no backports) is an error to apt but not to us; nothing at all is.
        if not any(self.scratch.glob("lists/*Packages*")):
            raise SetupError(f"apt could not read the distribution's package lists ({last_error(done)}). {BY_HAND}")

    def versions(self, package: str) -> list[tuple[str, str]]:
        """(version, suite) pairs on offer, newest first."""
        table = run(["apt-cache", "madison", package], self.environment).stdout
        rows = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
        return [(row[1], row[2].split()[1].split("/")[0]) for row in rows if len(row) == 3 and "Packages" in row[2]]

    def unpack(self, package: str, version: str, folder: Path) -> None:
        downloads = Path(tempfile.mkdtemp(dir=self.scratch))
        done = run(["apt-get", "download", "-q", f"{package}={version}"], self.environment, downloads)
        archives = list(downloads.glob("*.deb"))
        if not archives:
            raise SetupError(f"apt could not download {package} {version} ({last_error(done)}). {BY_HAND}")
        done = run(["dpkg", "-x", str(archives[0]), str(folder)])
        if done.returncode:
            raise SetupError(f"dpkg could not unpack {archives[0].name} into {folder} ({last_error(done)})")


def source_lines() -> list[str]:
    """The distribution's own sources on this machine, and the backports that belong to them."""
    codename = os_release().get("VERSION_CODENAME", "")
    form = "$(CREATED_BY)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(SIGNED_BY)"
    # Without release info apt lists all that is configured, also before the first `apt update`.
    no_cache = ["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]  # nor write the system's
    listing = run(["apt-get", "indextargets", *no_cache, "--no-release-info", "--format", form]).stdout
    wanted: dict[str, None] = {}  # a set that keeps the order
    for line in listing.splitlines():
        kind, uri, suite, component, signed_by = line.split("|")[:5]
        if kind != "Packages" or component not in ("main", "universe"):
            continue
        options = f"[signed-by={key}] " if (key := keyring(signed_by)) else ""
        if suite in (codename, "stable", "oldstable", "testing", "unstable"):
            wanted[f"deb {options}{uri} {suite} {component}"] = None
            if codename:
                wanted[f"deb {options}{uri} {codename}-backports {component}"] = None
        elif suite in (f"{codename}-updates", f"{codename}-security", f"{codename}-backports"):
            wanted[f"deb {options}{uri} {suite} {component}"] = None
    if not wanted:
        raise SetupError(f"apt knows no source of this distribution ({codename or 'no codename'}). {BY_HAND}")
    return list(wanted)


def keyring(signed_by: str) -> str:
    """The key file to check the lists with; empty leaves it to the keys that apt trusts anyway."""
    if signed_by.startswith("/"):
        return signed_by
    standard = Path(f"/usr/share/keyrings/{os_release().get('ID', 'debian')}-archive-keyring.gpg")
    return str(standard) if standard.is_file() else ""


def os_release() -> dict[str, str]:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def last_error(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.splitlines()
    # apt calls a mirror that it cannot reach a warning.
    complaints = [line[3:] for kind in ("E: ", "W: ") for line in lines if line.startswith(kind)]
    return complaints[0] if complaints else f"exit code {done.returncode}"


def run(
    command: list[str], environment: dict[str, str] | None = None, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


if __name__ == "__main__":
    sys.exit(main())
