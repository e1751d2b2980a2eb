"""Weights of a float reference in a file, without PyTorch."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.networks.reference import (
    InputScaling,
    Reference,
    ReferenceMetadata,
    load_reference,
    rounded,
    save_reference,
)


def metadata(**changes: Any) -> ReferenceMetadata:
    known: dict[str, Any] = {
        "network": "toy", "config": {"hidden": 2}, "scaling": {"mean": [1.0], "scale": [2.0], "axis": -1, "clip": 1.0},
        "dataset": "none", "checksum": "0", "metric": "accuracy", "value": 0.5, "examples": 4, "seed": 1, "recipe": {},
        "command": "cosim train toy", "device": "CPU", "precision": "float32", "cosim_version": "0",
    }  # fmt: skip
    return ReferenceMetadata(**{**known, **changes})


def test_file_round_trip(tmp_path: Path) -> None:
    arrays = {"weight": np.array([[0.1, 1e-3], [3.0, -2.0]], np.float32), "bias": np.array([0.1], np.float32)}
    for precision, error in (("float32", 0.0), ("float16", 2**-11)):
        path = save_reference(Reference(arrays, metadata(precision=precision)), tmp_path / "toy.safetensors")
        again = load_reference(path)
        assert again.metadata == metadata(precision=precision)
        assert again.arrays["weight"].dtype == np.float32
        np.testing.assert_allclose(again.arrays["weight"], arrays["weight"], rtol=error, atol=0)
        np.testing.assert_array_equal(again.arrays["bias"], arrays["bias"])
    assert again.scaling == InputScaling((1.0,), (2.0,), -1, 1.0)
    np.testing.assert_allclose(again.scaling.apply(np.array([[1.0], [2.0], [9.0]])), [[0], [0.5], [1]])


def test_wrong_files_are_named(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "toy.safetensors"
    with pytest.raises(CosimError, match="no such file"):
        load_reference(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(CosimError, match="not a readable safetensors file"):
        load_reference(path)
    save_file({"a": np.zeros(1)}, path)
    with pytest.raises(CosimError, match="not weights of a float reference"):
        load_reference(path)
    save_file({"a": np.zeros(1)}, path, metadata={"cosim": json.dumps({"schema": "cosim.reference/1"})})
    with pytest.raises(CosimError, match="missing or unknown"):
        load_reference(path)
    with pytest.raises(CosimError, match="not a finite number"):
        save_reference(Reference({"a": np.array([np.nan], np.float32)}, metadata()), path)
    with pytest.raises(CosimError, match="too large for float16"):
        rounded({"a": np.full((1, 1), 1e5, np.float32)}, "float16")
