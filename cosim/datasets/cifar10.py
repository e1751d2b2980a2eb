"""CIFAR-10: 60,000 colour images of 32x32 pixels, ten balanced classes.

Source: A. Krizhevsky, "Learning multiple layers of features from tiny images", technical report, University of
Toronto, 2009; https://www.cs.toronto.edu/~kriz/cifar.html states both layouts and the archives' md5.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cosim.datasets.parts import Part, checked_part, checksum_of, require_files
from cosim.datasets.sources import Source, data_folders, fetch
from cosim.errors import CosimError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32  # pixels
PIXELS = 3 * SIDE * SIDE
BATCH = 10_000  # images in a file
BATCHES = {"train": tuple(f"data_batch_{k}" for k in range(1, 6)), "test": ("test_batch",)}
RULE = "official: 50,000 training and 10,000 test images"

BINARY = Source(
    name="cifar10",
    folder="cifar-10-batches-bin",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    checksum="md5:c32a1d4ab5d03f1284b67883e8d87530",
    checksum_from="https://www.cs.toronto.edu/~kriz/cifar.html",
    megabytes=162,
    archive_folder="cifar-10-batches-bin",
    licence="none formal; cite Krizhevsky 2009",
)
PYTHON = Source(
    name="cifar10",
    folder="cifar-10-batches-py",
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    checksum="md5:c58f30108f718f92721af3b95e74349a",
    checksum_from="https://www.cs.toronto.edu/~kriz/cifar.html",
    megabytes=163,
    archive_folder="cifar-10-batches-py",
    licence="none formal; cite Krizhevsky 2009",
)


def load_cifar10(part: str = "test", folder: Path | None = None) -> Part:
    """The test part (10,000 images) or the training part (50,000), in the official order.

    inputs: uint8, shape (n, 3, 32, 32): image, colour (R, G, B), row, column.

    `folder` holds the batches in the binary layout (*.bin) or the python one (pickled); default: what is found below
    COSIM_DATA or in the cache, else the binary archive is downloaded. Raises CosimError for missing, truncated and
    foreign files.
    """
    checked_part(part)
    place = folder or _found()
    binary = place.name.endswith("-bin") or any(place.glob("*.bin"))
    files = [place / f"{name}.bin" if binary else place / name for name in BATCHES[part]]
    require_files(files, "cosim data check cifar10 says what is there")
    read = _read_binary if binary else _read_pickled
    images, labels = zip(*(read(path) for path in files), strict=True)
    count = sum(map(len, labels))
    return Part(
        inputs=np.concatenate(images),
        labels=np.concatenate(labels),
        classes=CLASSES,
        groups=np.arange(count, dtype=np.int64),
        name=f"cifar10/{part}",
        rule=RULE,
        checksum=checksum_of(files),
    )


def _found() -> Path:
    for place in data_folders():
        for source in (BINARY, PYTHON):
            if (place / source.folder).is_dir():
                return place / source.folder
    return fetch(BINARY)


def _read_binary(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A batch of 10,000 records: label, 1024 red, 1024 green, 1024 blue bytes."""
    content = np.fromfile(path, np.uint8)
    if content.size != BATCH * (1 + PIXELS):
        raise CosimError(
            "not a CIFAR-10 batch in the binary layout: wrong size",
            file=path,
            value=content.size,
            allowed=f"{BATCH * (1 + PIXELS)} bytes",
        )
    records = content.reshape(BATCH, 1 + PIXELS)
    return _checked(path, records[:, 1:], records[:, 0].astype(np.int64))


class _Unpickler(pickle.Unpickler):
    """Of the classes that a pickle may name, NumPy's arrays alone: a file from elsewhere must not run code."""

    ALLOWED = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        if module == "numpy.core.multiarray":  # NumPy 1, as the official files say; gone by that name
            module = "numpy._core.multiarray"
        return super().find_class(module, name)


def _read_pickled(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """A pickled dictionary with b"data", uint8 (10000, 3072), and b"labels", a list."""
    try:
        with path.open("rb") as stream:
            content = _Unpickler(stream, encoding="bytes").load()
        images = np.asarray(content[b"data"])
        labels = np.asarray(content[b"labels"], dtype=np.int64)
    except Exception as error:  # a damaged pickle may raise nearly anything
        raise CosimError(f"not a CIFAR-10 batch in the python layout: {error}", file=path) from error
    if images.shape != (BATCH, PIXELS) or images.dtype != np.uint8 or labels.shape != (BATCH,):
        raise CosimError(
            f"not a CIFAR-10 batch in the python layout: data {images.dtype} {images.shape}, labels {labels.shape}",
            file=path,
            allowed=f"uint8 ({BATCH}, {PIXELS}) and ({BATCH},)",
        )
    return _checked(path, images, labels)


def _checked(path: Path, images: NDArray, labels: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    if labels.min() < 0 or labels.max() >= len(CLASSES):
        raise CosimError(
            "not a CIFAR-10 batch: a label is out of range",
            file=path,
            value=int(labels.max()),
            allowed=f"0 to {len(CLASSES) - 1}",
        )
    return images.reshape(-1, 3, SIDE, SIDE), labels
