"""`cosim study report`: the page of a study's results."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from cosim.commands.common import check_writable, out, print_json

if TYPE_CHECKING:
    from cosim.commands.study_view import View
    from cosim.reports.study_data import StudyData


def report(path: Path, output: Path | None, as_json: bool) -> None:
    """Write the page of a study's folder, or of its file."""
    from cosim.commands.study_view import open_view

    view = open_view(path)
    place = output or view.folder.path
    check_writable(place, folder=True)
    page = write(view, place)
    if as_json:
        print_json({"report": str(page)})
        return
    out.print(f"wrote {page}")


def write(view: View, place: Path) -> Path:
    """The page of what is finished, in the folder `place`."""
    from cosim.reports.study_analysis import analyse
    from cosim.reports.study_crosschecks import crosschecks_of
    from cosim.reports.study_models import model_cards
    from cosim.reports.study_page import Extras, write_study_report

    data = study_data_of(view)
    checks, notes = crosschecks_of(view.folder.path)
    extras = Extras(
        heads=view.found,
        checks=checks,
        check_notes=notes,
        cards=model_cards(data.sources, (view.folder.path, view.folder.path.parent)),
        csv=_csv(view),
    )
    return write_study_report(data, analyse(data, view.outcome), extras, place)


def study_data_of(view: View) -> StudyData:
    """The results as the page takes them."""
    from cosim.reports.study_reading import study_data
    from cosim.studies.results import dataset

    return study_data(dataset(view.specification, view.folder, view.points, view.keys, view.found))


def _csv(view: View) -> bytes:
    from cosim.studies.results import rows_of, write_csv

    with tempfile.TemporaryDirectory(prefix="cosim-") as folder:
        return write_csv(rows_of(view.points, view.found), Path(folder, "results.csv")).read_bytes()
