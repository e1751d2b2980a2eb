import hashlib
import os
import stat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.errors import CosimError
from cosim.files import sha256_of, write_atomically
from cosim.provenance import canonical_json, provenance, sha256_of_json


def test_the_file_is_there_whole_and_nothing_else_is(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "result.json"
    assert write_atomically(target, lambda part: part.write_text("{}")) == target
    assert target.read_text() == "{}"
    assert os.listdir(target.parent) == ["result.json"]


def test_the_writer_gets_a_file_with_the_same_suffix_in_the_same_folder(tmp_path: Path) -> None:
    seen: list[Path] = []
    write_atomically(tmp_path / "plot.png", seen.append)
    assert seen[0].suffix == ".png"
    assert seen[0].parent == tmp_path


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    write_atomically(tmp_path / "mine", lambda part: part.write_text("x"))
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt()])
def test_a_writer_that_fails_leaves_what_was_there(tmp_path: Path, failure: BaseException) -> None:
    target = tmp_path / "result.json"
    target.write_text("before")

    def fails(part: Path) -> None:
        part.write_text("half")
        raise failure

    with pytest.raises(type(failure)):
        write_atomically(target, fails)
    assert target.read_text() == "before"
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_full_disk_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    def full(part: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(CosimError, match=r"result\.json: cannot write this file: No space left"):
        write_atomically(tmp_path / "result.json", full)
    assert os.listdir(tmp_path) == []


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CosimError, match="cannot write this file"):
        write_atomically(tmp_path / "file" / "x.json", lambda part: None)
    with pytest.raises(CosimError, match="this is a folder"):
        write_atomically(tmp_path, lambda part: None)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CosimError, match="Permission denied"):
        write_atomically(tmp_path / "x.json", lambda part: None)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_atomically(tmp_path / "link", lambda part: part.write_text("x"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "x"


def test_sha256_of_bytes_and_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256_of(b"abc") == sha256_of(tmp_path / "x") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(CosimError, match="cannot read this file"):
        sha256_of(tmp_path / "missing")


def test_provenance_names_version_time_and_seed_but_no_machine() -> None:
    made = provenance(seed=3, dataset_sha256="ab")
    assert list(made) == ["cosim_version", "created", "python", "seed", "dataset_sha256"]
    assert made["created"].endswith("+00:00")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_the_hash_does_not_depend_on_the_order_of_keys(content: dict[str, object]) -> None:
    assert sha256_of_json(content) == sha256_of_json(dict(reversed(content.items())))


def test_canonical_json_has_one_form_for_numpy_and_python() -> None:
    mine = {"b": np.float64(0.1), "a": np.arange(3), "p": Path("x")}
    assert canonical_json(mine) == '{"a":[0,1,2],"b":0.1,"p":"x"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))
    with pytest.raises(TypeError, match="no JSON form"):
        canonical_json({1, 2})
