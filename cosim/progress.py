"""Progress bars on stderr, only where somebody looks at a terminal."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress(label: str | None, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with remaining time while the block runs; yields `advance(steps)`. No label, no bar.

    Where stderr is no terminal, one line is printed at the end instead.
    """
    if label is None or total == 0:
        yield lambda steps: None
        return
    import time

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    started = time.perf_counter()
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.advance(task, steps)
    if not console.is_terminal:
        console.print(f"{label}: {total} done in {time.perf_counter() - started:.1f} s", highlight=False)
