"""`cosim data`."""

from __future__ import annotations

from cosim.commands.common import out, print_json
from cosim.datasets import registry


def show_list(as_json: bool) -> None:
    """`cosim data list`."""
    rows = registry.describe()
    if as_json:
        print_json(rows)
        return
    for row in rows:
        out.print(f"{row['name']}: {row['what']}")
        size = f"; download of {row['megabytes']} MB" if row["url"] else ""
        out.print(f"  {row['here'] or 'not here'}{size if not row['here'] else ''}")


def fetch(names: list[str], as_json: bool) -> None:
    """`cosim data fetch NAME...`."""
    found = {name: registry.get(name) for name in names}
    if as_json:
        print_json(found)
        return
    for name, place in found.items():
        out.print(f"{name}: {place}")


def check(names: list[str], as_json: bool) -> bool:
    """`cosim data check [NAME...]`; all data sets that are here when none is named. Returns whether all are whole."""
    chosen = names or [row["name"] for row in registry.describe() if row["here"]]
    rows = [registry.check(name) for name in chosen]
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            counts = ", ".join(f"{part} {each['count']}" for part, each in row["parts"].items())
            out.print(f"{row['name']}: {'whole; ' + counts if row['whole'] else row['error']}")
    return all(row["whole"] for row in rows)
