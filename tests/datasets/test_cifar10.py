"""CIFAR-10 in both layouts: small files of the tests' own, and the real ones."""

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cosim.datasets import cifar10
from cosim.datasets.cifar10 import CLASSES, PIXELS, load_cifar10
from cosim.errors import CosimError

FEW = 10  # images in a file of the tests


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The same images in the binary layout and in the python layout."""
    monkeypatch.setattr(cifar10, "BATCH", FEW)
    rng = np.random.default_rng(3)
    binary, python = tmp_path / "cifar-10-batches-bin", tmp_path / "cifar-10-batches-py"
    binary.mkdir()
    python.mkdir()
    for name in (*cifar10.BATCHES["train"], *cifar10.BATCHES["test"]):
        images = rng.integers(0, 256, (FEW, PIXELS), dtype=np.uint8)
        labels = rng.permutation(FEW) % len(CLASSES)
        np.hstack([labels[:, None].astype(np.uint8), images]).tofile(binary / f"{name}.bin")
        content = {b"data": images, b"labels": labels.tolist(), b"batch_label": b"a batch"}
        (python / name).write_bytes(pickle.dumps(content, protocol=2))
    return binary, python


def test_both_layouts_hold_the_same(both: tuple[Path, Path]) -> None:
    for part, count in (("train", 5 * FEW), ("test", FEW)):
        a, b = (load_cifar10(part, folder) for folder in both)
        assert a.inputs.shape == (count, 3, 32, 32)
        assert a.inputs.dtype == np.uint8
        assert np.array_equal(a.inputs, b.inputs)
        assert np.array_equal(a.labels, b.labels)
        assert a.checksum != b.checksum


def test_red_comes_first_and_rows_before_columns(both: tuple[Path, Path]) -> None:
    content = np.fromfile(both[0] / "test_batch.bin", np.uint8)
    part = load_cifar10("test", both[0])
    assert part.labels[0] == content[0]
    assert part.inputs[0, 0, 0, 1] == content[2]  # red, first row, second pixel
    assert part.inputs[0, 1, 2, 3] == content[1 + 1024 + 2 * 32 + 3]


def test_wrong_files_are_named(both: tuple[Path, Path]) -> None:
    binary, python = both
    content = (binary / "test_batch.bin").read_bytes()
    (binary / "test_batch.bin").write_bytes(content[:-1])
    with pytest.raises(CosimError, match=r"test_batch\.bin.*wrong size"):
        load_cifar10("test", binary)
    (binary / "test_batch.bin").write_bytes(b"\x0a" + content[1:])
    with pytest.raises(CosimError, match=r"test_batch\.bin.*label is out of range"):
        load_cifar10("test", binary)
    (binary / "data_batch_3.bin").rename(binary / "data_batch_3.dat")
    with pytest.raises(CosimError, match=r"data_batch_3\.bin.*missing"):
        load_cifar10("train", binary)
    pickled = (python / "test_batch").read_bytes()
    (python / "test_batch").write_bytes(pickled[: len(pickled) // 2])
    with pytest.raises(CosimError, match=r"test_batch.*not a CIFAR-10 batch in the python layout"):
        load_cifar10("test", python)
    (python / "test_batch").write_bytes(pickle.dumps({b"data": np.zeros((3, 4), np.uint8), b"labels": [1, 2, 3]}))
    with pytest.raises(CosimError, match=r"uint8 \(3, 4\)"):
        load_cifar10("test", python)
    with pytest.raises(CosimError, match="no such part"):
        load_cifar10("valid", binary)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("1 / 0",)


def test_a_pickle_runs_no_code(both: tuple[Path, Path]) -> None:
    (both[1] / "test_batch").write_bytes(pickle.dumps({b"data": Evil(), b"labels": []}))
    with pytest.raises(CosimError, match=r"it names builtins\.eval"):
        load_cifar10("test", both[1])


def test_real_images(real: Callable[[str], Path]) -> None:
    part = load_cifar10("test", real("cifar-10-batches-bin"))
    assert part.inputs.shape == (10_000, 3, 32, 32)
    assert np.bincount(part.labels).tolist() == [1000] * 10
    # The first test image is a cat, the next two are ships: the official page's order.
    assert [CLASSES[label] for label in part.labels[:3]] == ["cat", "ship", "ship"]
