"""A network of resistors as its ports see it: star-mesh reduction of SPICE text.

With the nodal admittance matrix Y of the network in blocks of ports p and inner nodes i, the currents at the ports are

    I_p = (Y_pp - Y_pi Y_ii^-1 Y_ip) V_p

(G. Kron, Tensor Analysis of Networks, 1939), which again is a network of resistors, one between every two ports:
Y_ii is an M-matrix, so none of them is negative. A linear array of n cells so becomes (word lines + bit lines)^2 / 2
resistors without inner nodes. It is worked out from the netlist's own lines, and not by the routines of the fitted
models, so that it can stand for the wires where ngspice is the reference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sparse
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from cosim.errors import CosimError

NEGLIGIBLE = 1e-12  # of the largest admittance: rounding, where there is no path


def port_lines(text: str, driven: Sequence[str], free: Sequence[str], prefix: str = "p") -> str:
    """The resistors between the ports of a network, as SPICE text.

    Parameters
    ----------
    text: lines `rNAME node node ohm`, nothing else.
    driven: ports that ideal sources hold; resistors between two of them carry no current that anyone sees, and are
        left out.
    free: the other ports.
    prefix: starts the names of the resistors, after their r.

    Raises CosimError for a line that is no resistor of a number of ohms.
    """
    ports = [*driven, *free]
    admittance = port_admittance(text, ports)
    between = -np.triu(admittance, 1)
    between[: len(driven), : len(driven)] = 0.0
    least = NEGLIGIBLE * float(between.max(initial=0.0))
    # Nine digits: deck and key are then the same whatever rounding errors the factorisation has.
    return "\n".join(
        f"r{prefix}{a}_{b} {ports[a]} {ports[b]} {1.0 / between[a, b]:.9g}"
        for a, b in np.argwhere(between > least).tolist()
    )


def port_admittance(text: str, ports: Sequence[str]) -> NDArray[np.float64]:
    """Y of the ports [S], (ports, ports): currents into the network for voltages at them.

    A port that no resistor touches has zeros. Raises CosimError for a line that is no resistor of a number of ohms.
    """
    number: dict[str, int] = {name: k for k, name in enumerate(ports)}
    a, b, siemens = [], [], []
    for line in text.splitlines():
        words = line.split()
        try:
            name, one, other, ohm = words
            if name[0].lower() != "r":
                raise ValueError
            siemens.append(1.0 / float(ohm))
        except (ValueError, ZeroDivisionError) as error:
            raise CosimError("only resistors can be reduced to their ports", value=line) from error
        a.append(number.setdefault(one, len(number)))
        b.append(number.setdefault(other, len(number)))
    rows, columns = np.concatenate([a, b, a, b]), np.concatenate([b, a, a, b])
    values = np.concatenate([-np.array(siemens)] * 2 + [np.array(siemens)] * 2)
    whole = sparse.csc_matrix((values, (rows, columns)), shape=(len(number), len(number)))
    p = len(ports)
    if p == len(number):
        return np.asarray(whole.toarray())
    across = whole[p:, :p]
    solved = splu(whole[p:, p:], permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(across.toarray())
    found = whole[:p, :p].toarray() - across.T @ solved
    return np.asarray((found + found.T) / 2.0)
