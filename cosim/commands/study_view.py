"""What stands in the folder of a study's results: its points and what was found for each."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.errors import CosimError
from cosim.studies.evaluation import Outcome
from cosim.studies.execution import base_of
from cosim.studies.search import search
from cosim.studies.specification import Specification, parse_specification, point_key
from cosim.studies.store import StudyFolder, Summary, read_folder, summaries


def folder_of(study: Path, output: Path | None) -> Path:
    """Where a study's results are: STUDY_results beside its file."""
    return output or study.with_name(f"{study.stem}_results")


@dataclass(frozen=True)
class View:
    """A study's points and the heads of their results."""

    specification: Specification
    folder: StudyFolder
    points: list[dict[str, Any]]
    keys: list[str]
    found: list[Summary | None]

    def outcome(self, number: int) -> Outcome:
        """A point's result, whole."""
        return self.folder.outcome(self.keys[number])

    @property
    def labels(self) -> tuple[str, ...]:
        design = self.specification.design
        return design.labels if design is not None else ()


def open_view(path: Path, output: Path | None = None) -> View:
    """A study's results, from its folder or its file; nothing is written."""
    folder_path = path if path.is_dir() else folder_of(path, output)
    read_folder(folder_path)  # says what is wrong with it
    file = folder_path / "study.toml"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise CosimError(f"cannot read this study: {error.strerror or error}", file=file) from error
    specification = parse_specification(text, file, look_at_files=False)
    return view_of(folder_path, specification)


def view_of(path: Path, specification: Specification) -> View:
    """The same of a study that has been read."""
    folder = read_folder(path)
    base = base_of(specification, folder.manifest["sources"])
    if specification.design is not None:
        design = specification.design
        points = [design.values(place) for place in range(len(design.points))]
        keys = [point_key(base, values) for values in points]
        return View(specification, folder, points, keys, list(summaries(folder, keys)))
    points = []

    def look(wanted: list[dict[str, Any]]) -> list[str]:
        names = [point_key(base, values) for values in wanted]
        if not all(folder.has(name) for name in names):
            raise _Unfinished
        points.extend(wanted)
        return names

    with contextlib.suppress(_Unfinished):
        search(specification, look, folder)
    keys = [point_key(base, values) for values in points]
    return View(specification, folder, points, keys, list(summaries(folder, keys)))


class _Unfinished(Exception):
    """A search has come no further."""
