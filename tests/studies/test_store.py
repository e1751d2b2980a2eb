"""A study's folder: whole files, damage found, changes refused, claims that a killed process gives up."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.studies import store
from cosim.studies.evaluation import Outcome, failed
from cosim.studies.store import StudyFolder, open_folder, packed, read_folder, unpacked

KEY = "0123456789abcdef" * 4


def outcome(metric: str = "accuracy", key: str = KEY) -> Outcome:
    rng = np.random.default_rng(7)
    scores = rng.random((3, 2, 13))
    if metric == "accuracy":
        scores = (scores > 0.5).astype(float)
    return Outcome(
        key, metric, scores, np.ones(13), rng.random((3, 2)), {"cells": 4.0, "odd": float("nan")},  # type: ignore[arg-type]
        not_finite=1, warnings={"a": 2}, seconds=0.5,
    )  # fmt: skip


def folder_at(path: Path, **changes: object) -> StudyFolder:
    options = {"text": "# study", "sha256": "a" * 64, "sources": {"device 'x'": "b" * 64}}
    return open_folder(path, **{**options, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("metric", ["accuracy", "bits_per_symbol"])
def test_a_point_comes_back_to_the_last_bit(tmp_path: Path, metric: str) -> None:
    folder, given_one = folder_at(tmp_path / "s"), outcome(metric)
    folder.keep(given_one, {"tile.adc.bits": 4}, {metric: 0.5, "error_read": float("nan")})
    found = folder.outcome(KEY)
    np.testing.assert_array_equal(found.scores, given_one.scores)
    np.testing.assert_array_equal(found.losses, given_one.losses)
    assert found.not_finite == 1 and found.warnings == {"a": 2} and found.seconds == 0.5
    assert found.measures["cells"] == 4.0 and np.isnan(found.measures["odd"])
    summary = folder.summary(KEY)
    assert summary is not None
    assert summary.values == {"tile.adc.bits": 4} and summary.figures[metric] == 0.5
    assert np.isnan(summary.figures["error_read"])


def test_a_point_that_failed_comes_back(tmp_path: Path) -> None:
    folder = folder_at(tmp_path / "s")
    folder.keep(failed(KEY, "accuracy", "too small: 5 µV"), {}, {})
    assert folder.outcome(KEY).failure == "too small: 5 µV"


def test_a_long_header_is_read_whole(tmp_path: Path) -> None:
    folder = folder_at(tmp_path / "s")
    folder.keep(failed(KEY, "accuracy", "x" * 10_000), {}, {})
    summary = folder.summary(KEY)
    assert summary is not None and summary.failure == "x" * 10_000


CONTENT = packed(outcome(), {"tile.adc.bits": 4}, {"accuracy": 0.5})


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_one_wrong_byte_anywhere_is_found(place: int, change: int) -> None:
    damaged = bytearray(CONTENT)
    damaged[place] ^= change
    try:
        found = unpacked(bytes(damaged), Path("point"))
    except CosimError as error:
        assert "damaged" in str(error)
    else:  # a blank of the padding, or a name that JSON lets be written otherwise: nothing that counts
        np.testing.assert_array_equal(found.scores, outcome().scores)
        np.testing.assert_array_equal(found.losses, outcome().losses)


@given(st.integers(0, len(CONTENT) - 1))
def test_a_file_that_ends_too_early_is_found(length: int) -> None:
    with pytest.raises(CosimError, match="damaged"):
        unpacked(CONTENT[:length], Path("point"))


def test_a_damaged_point_is_put_aside_and_told(tmp_path: Path) -> None:
    folder = folder_at(tmp_path / "s")
    path = folder.keep(outcome(), {}, {})
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.warns(UserWarning, match="done again"):
        assert not folder.sound(KEY)
    assert path.with_suffix(".damaged").exists() and not folder.has(KEY)


def test_another_study_is_refused_with_both_hashes(tmp_path: Path) -> None:
    folder_at(tmp_path / "s")
    with pytest.raises(CosimError, match=r"a{64}.*c{64}"):
        folder_at(tmp_path / "s", sha256="c" * 64)


def test_the_refused_study_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    folder_at(tmp_path / "s")
    before = {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir() if path.is_file()}
    with pytest.raises(CosimError):
        folder_at(tmp_path / "s", sha256="c" * 64, text="# other")
    assert {path.name: path.read_bytes() for path in (tmp_path / "s").iterdir() if path.is_file()} == before


def test_of_two_that_begin_at_once_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one comes between the look for a manifest and its writing."""
    honest = store._begin

    def late(manifest: Path, text: str) -> None:
        honest(manifest, json.dumps({**json.loads(text), "study_sha256": "c" * 64}))
        honest(manifest, text)

    monkeypatch.setattr(store, "_begin", late)
    with pytest.raises(CosimError, match="belongs to another study"):
        folder_at(tmp_path / "s")
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["manifest.json", "points"]


def test_a_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*paths: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refused)
    assert folder_at(tmp_path / "s").manifest["study_sha256"] == "a" * 64
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["manifest.json", "points", "study.toml"]


def test_a_source_that_changed_is_refused_with_both_hashes(tmp_path: Path) -> None:
    folder_at(tmp_path / "s")
    with pytest.raises(CosimError, match=r"device 'x' has changed since the study began: .* b{64} and is c"):
        folder_at(tmp_path / "s", sources={"device 'x'": "c" * 64})


def test_another_version_of_cosim_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_at(tmp_path / "s")
    monkeypatch.setattr(store, "__version__", "99.0")
    with pytest.raises(CosimError, match=r"begun with cosim .* and this is 99\.0"):
        folder_at(tmp_path / "s")


def test_a_folder_of_something_else_is_told(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match="no folder of a study"):
        read_folder(tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps({"schema": "other"}))
    with pytest.raises(CosimError, match="not the manifest"):
        read_folder(tmp_path)


CLAIMER = """
import sys, time
from pathlib import Path
from cosim.studies.store import read_folder
folder = read_folder(Path(sys.argv[1]))
print(folder.claim(sys.argv[2]), flush=True)
time.sleep(60)
"""


def test_a_claim_is_one_process_s_and_ends_with_it_however_it_ends(tmp_path: Path) -> None:
    folder = folder_at(tmp_path / "s")
    command = [sys.executable, "-c", CLAIMER, str(folder.path), KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as other:
        try:
            assert other.stdout is not None and other.stdout.readline().strip() == "True"
            assert not folder.claim(KEY)
            assert folder.claim("f" * 64)  # another point is free
        finally:
            other.kill()  # SIGKILL: nothing of it can tidy up
    deadline = time.monotonic() + 5
    while not folder.claim(KEY):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    folder.close()


def test_a_full_disk_is_one_clear_error_and_leaves_no_half_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_at(tmp_path / "s")

    def full(path: Path, content: bytes) -> None:
        path.write_bytes(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "_write_through", full)
    with pytest.raises(CosimError, match="No space left on device"):
        folder.keep(outcome(), {}, {})
    assert os.listdir(folder.points) == [] and folder.finished() == set()
