"""What a network on tiles takes of the hardware."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cosim.tiles.mapping import MatrixUse


@dataclass(frozen=True)
class NetworkUse:
    """What a network takes of the hardware, an inference (one example of the last pass).

    Attributes
    ----------
    matrices: matrix -> what it takes.
    digital: (layer or node, operation) -> digital operations; partial sums are in `matrices`.
    """

    matrices: Mapping[str, MatrixUse]
    digital: Mapping[tuple[str, str], float]

    @property
    def tiles(self) -> int:
        """Arrays of the whole network."""
        return sum(each.tiles for each in self.matrices.values())

    @property
    def utilisation(self) -> float:
        """Share of these arrays' cells that is used; 0 where nothing goes onto tiles."""
        total = sum(each.cells_total for each in self.matrices.values())
        return sum(each.cells_used for each in self.matrices.values()) / max(total, 1)

    @property
    def conversions(self) -> dict[str, int]:
        """Function -> conversions of bit lines."""
        found: dict[str, int] = {}
        for each in self.matrices.values():
            for function, number in each.conversions.items():
                found[function] = found.get(function, 0) + number
        return found

    def operations(self) -> dict[str, float]:
        """Digital operation -> how often, partial sums among the additions."""
        found: dict[str, float] = {"add": float(sum(each.digital_additions for each in self.matrices.values()))}
        for (_, operation), number in self.digital.items():
            found[operation] = found.get(operation, 0.0) + number
        return found
