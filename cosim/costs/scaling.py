"""From the node where a number was stated to another: one rule for each kind of number.

At constant proportions all lengths follow the node L, capacitances too, and a switching event costs C V^2:

    energy  E' = E (L' / L) (V' / V)^2        delay  t' = t (L' / L)        area  A' = A (L' / L)^2

with V the nominal supply (R. H. Dennard et al., IEEE J. Solid-State Circuits 9, 256, 1974, at supplies that do not
follow the node). Wires, leakage and what a name of a node hides below 22 nm are not in it; A. Stillmaker and B. Baas,
Integration 58, 74 (2017) is the finer table. At the same node and supply every factor is 1.
"""

from __future__ import annotations

from typing import Literal

from cosim.errors import CosimError

Kind = Literal["energy", "delay", "area", "plain"]

# [V] nominal supply of each node [nm]: [own] that of high-performance logic, rounded, 0.9 V at 45 nm as in the
# energies of `constants.toml`.
SUPPLIES = {180: 1.8, 130: 1.3, 90: 1.2, 65: 1.2, 45: 0.9, 32: 0.9, 22: 0.85, 16: 0.8, 14: 0.8, 10: 0.75, 7: 0.7}
NODES = tuple(SUPPLIES)


def check_node(node: int) -> int:
    """The node, where it is known; else CosimError."""
    if node not in SUPPLIES:
        raise CosimError("this node is not known", key="node", value=node, allowed=[f"{each}" for each in NODES])
    return node


def nearest_node(length: float) -> int:
    """The node nearest in ratio to a least channel length [m]."""
    return min(NODES, key=lambda node: max(node * 1e-9 / length, length / (node * 1e-9)))


def factor(kind: Kind, stated: int, wanted: int, v_stated: float | None = None, v_wanted: float | None = None) -> float:
    """What a number of the node `stated` [nm] is multiplied by at the node `wanted`.

    Supplies [V] are the nodes' nominal ones where they are not given. Raises CosimError for an unknown node.
    """
    shrink = check_node(wanted) / check_node(stated)
    if kind == "plain":
        return 1.0
    if kind == "delay":
        return shrink
    if kind == "area":
        return shrink**2
    v_0 = SUPPLIES[stated] if v_stated is None else v_stated
    v_1 = SUPPLIES[wanted] if v_wanted is None else v_wanted
    return shrink * (v_1 / v_0) ** 2
