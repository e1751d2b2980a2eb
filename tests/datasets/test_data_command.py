"""`cosim data`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COSIM_DATA", raising=False)
    monkeypatch.setenv("COSIM_CACHE", str(tmp_path / "cache"))


def test_list(cosim: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, text, _ = cosim("data", "list", "--json")
    rows = {row["name"]: row for row in json.loads(text)}
    assert code == 0
    assert set(rows) == {"digits", "har", "ptb", "fsdd", "cifar10", "speech_commands"}
    assert [name for name, row in rows.items() if row["here"]] == ["digits"]
    assert rows["cifar10"]["checksum"] == "md5:c32a1d4ab5d03f1284b67883e8d87530"
    (tmp_path / "mine" / "UCI HAR Dataset").mkdir(parents=True)
    monkeypatch.setenv("COSIM_DATA", str(tmp_path / "mine"))
    _, text, _ = cosim("data", "list")
    assert f"{tmp_path}/mine/UCI HAR Dataset" in text


def test_check(cosim: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, text, _ = cosim("data", "check", "--json")
    assert code == 0
    assert [(row["name"], row["whole"], row["parts"]["test"]["count"]) for row in json.loads(text)] == [
        ("digits", True, 599)
    ]
    code, text, _ = cosim("data", "check", "har")
    assert code == 1 and "cosim data fetch har" in text
    (tmp_path / "mine" / "UCI HAR Dataset" / "train").mkdir(parents=True)
    monkeypatch.setenv("COSIM_DATA", str(tmp_path / "mine"))
    code, text, _ = cosim("data", "check", "har")
    assert code == 1 and "body_acc_x_train.txt" in text and "missing (and 10 more)" in text


def test_unknown_name(cosim: Run) -> None:
    for command in ("check", "fetch"):
        code, _, error = cosim("data", command, "cifar100")
        assert code == 2 and "Did you mean 'cifar10'" in error


def test_fetch_of_what_is_here(cosim: Run) -> None:
    code, text, _ = cosim("data", "fetch", "digits", "--json")
    assert code == 0 and json.loads(text) == {"digits": "scikit-learn"}
