"""UCI HAR: six activities from a smartphone's accelerometer and gyroscope, as raw series.

Source: D. Anguita et al., "A public domain dataset for human activity recognition using smartphones", ESANN 2013;
UCI Machine Learning Repository, doi 10.24432/C54S4K. 30 subjects, windows of 2.56 s at 50 Hz, half overlapping.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.datasets.parts import PARTS, Part, checked_part, checksum_of, require_files
from cosim.datasets.sources import Source, locate
from cosim.errors import CosimError

CHANNELS = tuple(f"{kind}_{axis}" for kind in ("body_acc", "body_gyro", "total_acc") for axis in "xyz")
STEPS = 128  # samples in a window
COUNTS = {"train": 7352, "test": 2947}  # windows of the official files
SUBJECTS = 30
CLASSES = ("WALKING", "WALKING_UPSTAIRS", "WALKING_DOWNSTAIRS", "SITTING", "STANDING", "LAYING")
RULE = "official, by subject: 21 subjects for training, 9 for test"

SOURCE = Source(
    name="har",
    folder="UCI HAR Dataset",
    url="https://archive.ics.uci.edu/static/public/240/human+activity+recognition+using+smartphones.zip",
    checksum=None,
    checksum_from="none is published; counts of windows, samples, subjects and classes are checked",
    megabytes=61,
    archive_folder="UCI HAR Dataset",
    licence="CC BY 4.0 by the repository; the set's own readme forbids commercial use",
    inner="UCI HAR Dataset.zip",
)


def load_har(part: str = "test", folder: Path | None = None, *, official: bool = True) -> Part:
    """The raw series of the test part (2947 windows) or the training part (7352).

    inputs: float32, shape (n, 128, 9): window, time step, channel in the order of CHANNELS: body acceleration [g],
    angular velocity [rad/s], total acceleration [g]. groups: the subject, 1 .. 30.

    `folder` is the data set's; default: below COSIM_DATA or in the cache, else downloaded. With `official` the number
    of windows must be that of the official files. Raises CosimError for missing, truncated and foreign files.
    """
    checked_part(part, PARTS)
    place = (folder or locate(SOURCE)) / part
    series = [place / "Inertial Signals" / f"{channel}_{part}.txt" for channel in CHANNELS]
    files = [*series, place / f"y_{part}.txt", place / f"subject_{part}.txt"]
    require_files(files, "cosim data check har says what is there")
    labels = _integers(files[-2], len(CLASSES))
    subjects = _integers(files[-1], SUBJECTS)
    if official and len(labels) != COUNTS[part]:
        raise CosimError(
            "not the official number of windows", file=files[-2], value=len(labels), allowed=str(COUNTS[part])
        )
    if len(subjects) != len(labels):
        raise CosimError(
            "another number of windows than labels", file=files[-1], value=len(subjects), allowed=str(len(labels))
        )
    inputs = np.stack([_series(path, len(labels)) for path in series], axis=2)
    return Part(inputs, labels - 1, CLASSES, subjects, f"har/{part}", RULE, checksum_of(files))


def _integers(path: Path, largest: int) -> NDArray[np.int64]:
    """One integer a line, 1 .. largest."""
    try:
        values = np.array(path.read_text(encoding="ascii").split(), dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise CosimError(f"not one integer a line: {error}", file=path) from error
    if values.size == 0 or values.min() < 1 or values.max() > largest:
        raise CosimError("a value is out of range, or there is none", file=path, allowed=f"1 to {largest}")
    return values


def _series(path: Path, windows: int) -> NDArray[np.float32]:
    """128 numbers a line, a line a window."""
    try:
        values = np.array(path.read_text(encoding="ascii").split(), dtype=np.float32)
    except ValueError as error:
        raise CosimError(f"not a table of numbers: {error}", file=path) from error
    if values.size != windows * STEPS:
        raise CosimError(
            "wrong number of samples; is the file truncated?",
            file=path,
            value=values.size,
            allowed=f"{windows * STEPS} ({windows} windows of {STEPS})",
        )
    if not np.all(np.isfinite(values)):
        raise CosimError("a sample is not a finite number", file=path)
    return values.reshape(windows, STEPS)
