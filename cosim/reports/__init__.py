"""The report: plots and one self-contained HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cosim.reports.page import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    # matplotlib and jinja2 wait until a report is wanted.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.page"), name)
