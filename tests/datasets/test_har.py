"""UCI HAR: its text layout, what it refuses, and the real series."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cosim.datasets.har import CHANNELS, load_har
from cosim.errors import CosimError

WINDOWS = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four windows; sample = channel + window / 10 + step / 10000."""
    place = tmp_path / "test"
    (place / "Inertial Signals").mkdir(parents=True)
    for channel, name in enumerate(CHANNELS):
        values = channel + np.arange(WINDOWS)[:, None] / 10 + np.arange(128) / 10_000
        np.savetxt(place / "Inertial Signals" / f"{name}_test.txt", values, fmt=" %.7e")
    (place / "y_test.txt").write_text("1\n6\n3\n1\n")
    (place / "subject_test.txt").write_text("2\n2\n30\n4\n")
    return tmp_path


def test_layout(folder: Path) -> None:
    part = load_har("test", folder, official=False)
    assert part.inputs.shape == (WINDOWS, 128, 9)
    assert part.inputs.dtype == np.float32
    assert part.inputs[2, 5, 7] == pytest.approx(7 + 0.2 + 0.0005)
    assert [part.classes[label] for label in part.labels] == ["WALKING", "LAYING", "WALKING_DOWNSTAIRS", "WALKING"]
    assert part.groups.tolist() == [2, 2, 30, 4]


def test_wrong_files_are_named(folder: Path) -> None:
    place = folder / "test"
    with pytest.raises(CosimError, match=r"y_test\.txt.*not the official number"):
        load_har("test", folder)
    series = place / "Inertial Signals" / "body_gyro_y_test.txt"
    content = series.read_text()
    for broken, message in (
        (content[: len(content) // 2], "truncated"),
        (content.replace("e+00", "x"), "not a table of numbers"),
        ("nan" + content[content.index("e+00") + 4 :], "not a finite number"),
    ):
        series.write_text(broken)
        with pytest.raises(CosimError, match=f"body_gyro_y_test.txt.*{message}"):
            load_har("test", folder, official=False)
    series.rename(place / "gyro.txt")
    with pytest.raises(CosimError, match=r"body_gyro_y_test\.txt.*missing"):
        load_har("test", folder, official=False)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("y", "1\n7\n3\n1\n", "out of range"),
        ("y", "", "out of range"),
        ("subject", "2\n2\n", "another number of windows"),
        ("y", "a\n", "not one integer a line"),
    ],
)
def test_wrong_labels_are_named(folder: Path, name: str, text: str, message: str) -> None:
    (folder / "test" / f"{name}_test.txt").write_text(text)
    with pytest.raises(CosimError, match=f"{name}_test.txt.*{message}"):
        load_har("test", folder, official=False)


def test_real_series(real: Callable[[str], Path]) -> None:
    part = load_har("test", real("UCI HAR Dataset"))
    assert part.inputs.shape == (2947, 128, 9)
    assert len(np.unique(part.groups)) == 9
    assert np.bincount(part.labels).tolist() == [496, 471, 420, 491, 532, 537]  # the data set's own table
    # Total is body acceleration plus gravity: about 1 g.
    gravity = np.linalg.norm((part.inputs[..., 6:] - part.inputs[..., :3]).mean(axis=1), axis=1)
    assert np.median(gravity) == pytest.approx(1, abs=0.05)
