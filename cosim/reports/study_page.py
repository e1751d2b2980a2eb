"""The page of a study: what was asked, the answer, plots, models, warnings, and how to do it again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.reports.plots.study_agreement import agreement_plot
from cosim.reports.plots.study_front import cost_plot, front_plot
from cosim.reports.plots.study_indices import indices_plot
from cosim.reports.plots.study_map import map_plot
from cosim.reports.plots.study_rungs import ladder_plot, list_plot, sorted_rungs
from cosim.reports.plots.study_sweep import error_plot, loss_plot, model_form_plot, sweep_plots
from cosim.reports.rendering import Book, render, write_page
from cosim.reports.study_analysis import Analysis
from cosim.reports.study_crosschecks import MOST_HASHES, Crosscheck
from cosim.reports.study_data import StudyData
from cosim.reports.study_downloads import Download, download
from cosim.reports.study_models import ModelCard
from cosim.reports.study_reading import shared_settings
from cosim.reports.study_summary import answer, headlines, question
from cosim.reports.study_tables import constant_measures, costs_table, points_table, problems_of
from cosim.reports.style import Plot, plotting
from cosim.studies.store import Summary

PAGE = "report.html"
MOST_DATA = 1000  # points whose figures the page carries for machines


@dataclass(frozen=True)
class Extras:
    """What a study's page shows beside its results.

    Attributes
    ----------
    heads: of each point's file, in the order of the points; None where it is not finished.
    cards: of the fitted models. checks: against ngspice, and notes on files that are none.
    command: that makes the same results. study_name: of the study's file.
    csv: the results as CSV.
    """

    heads: Sequence[Summary | None]
    cards: Sequence[ModelCard] = ()
    checks: Sequence[Crosscheck] = ()
    check_notes: Sequence[str] = ()
    command: str = "cosim study run study.toml"
    study_name: str = "study.toml"
    csv: bytes = b""


def write_study_report(data: StudyData, analysis: Analysis, extras: Extras, folder: Path) -> Path:
    """Write `folder`/report.html, one self-contained page, and each of its plots as a file in `folder`/plots.

    Everything is drawn before anything is written. Returns the page's path; CosimError when the folder cannot be
    written.
    """
    book = Book()
    with plotting():
        figures = {
            "results": book.figures(_result_plots(data, analysis)),
            "uncertainty": book.figures(_uncertainty_plots(data)),
            "costs": book.figures(_some(cost_plot(data) if data.method != "pareto" else None)),
            "agreement": book.figures(_some(agreement_plot([each.found for each in extras.checks]))),
        }
    html = render(
        "study.html.j2",
        data=data,
        analysis=analysis,
        extras=extras,
        figures=figures,
        question=question(data),
        answer=answer(data, analysis),
        headlines=headlines(data, analysis),
        points=points_table(data, analysis),
        costs=costs_table(data),
        constants=constant_measures(data),
        problems=problems_of(data, extras.heads),
        shared=[(name, _written(value)) for name, value in shared_settings(data.content)],
        most_hashes=MOST_HASHES,
        downloads=_downloads(data, extras),
        rungs=sorted_rungs(data, analysis.losses) if data.method == "ladder" else [],
        seconds=sum(head.seconds for head in extras.heads if head is not None and math.isfinite(head.seconds)),
        for_machines=_for_machines(data, analysis, extras),
    )
    return write_page(Path(folder), PAGE, html, book.files)


def _result_plots(data: StudyData, analysis: Analysis) -> Iterator[Plot]:
    if not data.scored:
        return
    if data.method == "ladder":
        yield ladder_plot(data, analysis.losses)
        return
    if analysis.indices:
        yield indices_plot(analysis.indices, data.score.name)
    if analysis.front:
        yield from _some(front_plot(data, analysis.objectives, analysis.front))
    if data.method == "list":
        yield from _some(list_plot(data))
    yield from sweep_plots(data)
    yield from _some(loss_plot(data, analysis.losses))
    yield from _some(map_plot(data))


def _uncertainty_plots(data: StudyData) -> Iterator[Plot]:
    if data.method not in ("ladder", "list"):
        yield from _some(error_plot(data))
    yield from _some(model_form_plot(data))


def _some(plot: Plot | None) -> list[Plot]:
    return [] if plot is None else [plot]


def _downloads(data: StudyData, extras: Extras) -> dict[str, Download | None]:
    return {
        "study": download(extras.study_name, data.text.encode(), "application/toml"),
        "csv": download("results.csv", extras.csv, "text/csv") if extras.csv else None,
    }


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def _for_machines(data: StudyData, analysis: Analysis, extras: Extras) -> dict[str, Any]:
    """What a program may want of the page, without reading its text."""
    return {
        "title": data.title,
        "method": data.method,
        "metric": data.score.metric,
        "command": extras.command,
        "about": dict(data.about),
        "sources": dict(data.sources),
        "points": [
            {
                "number": row.number,
                "label": row.label,
                "values": dict(row.values),
                "status": row.status,
                "figures": {name: value if math.isfinite(value) else None for name, value in row.figures.items()},
            }
            for row in data.rows[:MOST_DATA]
        ],
        "points_left_out": max(0, len(data.rows) - MOST_DATA),
        "sobol": list(analysis.indices),
        "front": list(analysis.front),
    }
