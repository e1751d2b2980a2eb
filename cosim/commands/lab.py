"""`cosim lab`."""

from __future__ import annotations

import json
from pathlib import Path

from cosim.commands.characterise import figures_of, print_figures, statuses_of, write_plots_of
from cosim.commands.common import check_writable, out, print_json
from cosim.errors import CosimError


def lab(file: Path, output: Path, plots: Path | None, as_json: bool) -> None:
    """Import a measurement's tables; write the data set, print what it holds."""
    from cosim.blocks.dataset import LAB_FILES, failed_points, save_dataset
    from cosim.blocks.lab import import_lab
    from cosim.blocks.registry import get_block, plots_of

    check_writable(output)
    if plots is not None:
        check_writable(plots, folder=True, key="--plots")
    data = import_lab(file)
    # Files of a description are named as seen from its folder.
    for name in (file.name, *json.loads(data.attrs[LAB_FILES])):
        if output.resolve() == (file.parent / name).resolve():
            raise CosimError("this would write over a file that the import reads", file=output, key="--output")
    block = get_block(data.attrs["block"])
    save_dataset(data, output)
    pictures = write_plots_of(data, plots_of(block), plots)
    figures = figures_of(data, block)
    summary = {
        "block": block.NAME,
        "file": str(output),
        "source": str(file),
        "dimensions": {str(each): int(size) for each, size in data.sizes.items()},
        "figures": figures,
        "failed": failed_points(data),
        "status": statuses_of(data),
        "plots": [str(each) for each in pictures],
    }
    if as_json:
        print_json(summary)
        return
    print_figures(f"{block.NAME}, measured: {file}", figures)
    points = ", ".join(f"{count} {text}" for text, count in statuses_of(data).items())
    out.print(f"points: {points}")
    if pictures:
        out.print(f"wrote {len(pictures)} plots into {plots}")
    following = f"; next: cosim fit {output}" if hasattr(block, "fit") else ""
    out.print(f"wrote {output}{following}")
