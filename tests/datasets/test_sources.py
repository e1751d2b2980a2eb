"""Where data sets are looked for and how they are fetched, against a small web server of the tests' own."""

import functools
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from cosim.datasets.parts import checksum_of, held_out, held_out_groups
from cosim.datasets.sources import Source, fetch, locate, present
from cosim.errors import CosimError


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """(folder, address of the web server that serves it)."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COSIM_DATA", raising=False)
    monkeypatch.setenv("COSIM_CACHE", str(tmp_path / "cache"))


def source_of(url: str, checksum: str | None = None) -> Source:
    return Source("toy", "toy/files", url, checksum, "the test", 1, "inside/files", "none")


def tar_of(path: Path, name: str = "./inside/files/a.txt") -> str:
    """Write an archive with one file; returns its sha256."""
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"hello"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_cosim_data_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = source_of("http://127.0.0.1:9/nowhere")
    (tmp_path / "cache" / "data" / "toy" / "files").mkdir(parents=True)
    assert locate(source) == tmp_path / "cache" / "data" / "toy" / "files"
    (tmp_path / "mine" / "toy" / "files").mkdir(parents=True)
    monkeypatch.setenv("COSIM_DATA", str(tmp_path / "mine"))
    assert locate(source) == tmp_path / "mine" / "toy" / "files"
    monkeypatch.setenv("COSIM_DATA", str(tmp_path / "empty"))
    assert present(source) == tmp_path / "cache" / "data" / "toy" / "files"


def test_fetch_of_a_tar(served: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = served
    digest = tar_of(folder / "toy.tgz")
    source = source_of(f"{address}/toy.tgz", f"sha256:{digest}")
    place = locate(source)
    assert (place / "a.txt").read_text() == "hello"
    assert place == tmp_path / "cache" / "data" / "toy" / "files"
    (folder / "toy.tgz").unlink()
    assert locate(source) == place  # from the cache
    assert sorted(path.name for path in (tmp_path / "cache" / "data").iterdir()) == ["toy"]  # nothing else stays


def test_fetch_of_a_zip_within_a_zip(served: tuple[Path, str]) -> None:
    folder, address = served
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as packed:
        packed.writestr("inside/files/a.txt", "hello")
    with zipfile.ZipFile(folder / "toy.zip", "w") as packed:
        packed.writestr("toy inside.zip", inner.getvalue())
    source = replace(source_of(f"{address}/toy.zip"), inner="toy inside.zip")
    assert (fetch(source) / "a.txt").read_text() == "hello"


@pytest.mark.parametrize("what", ["checksum", "not an archive", "other folder", "missing", "outside"])
def test_what_cannot_be_fetched_is_one_clear_error_and_leaves_nothing(
    what: str, served: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = served
    checksum = None
    if what == "checksum":
        tar_of(folder / "toy.tgz")
        checksum = "sha256:" + 64 * "0"
    elif what == "not an archive":
        (folder / "toy.tgz").write_bytes(b"<html>moved</html>")
    elif what == "other folder":
        tar_of(folder / "toy.tgz", "elsewhere/a.txt")
    elif what == "outside":
        tar_of(folder / "toy.tgz", "../../escaped.txt")
    with pytest.raises(CosimError, match=r"cannot fetch the data set 'toy' from http.*set COSIM_DATA"):
        fetch(source_of(f"{address}/toy.tgz", checksum))
    assert not (tmp_path / "cache" / "data" / "toy").exists()
    assert not list(tmp_path.rglob("escaped.txt"))


def test_checksum_goes_by_names_and_contents_not_by_place(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x").write_text("1")
        (tmp_path / folder / "y").write_text("2")
    a = checksum_of([tmp_path / "a" / "x", tmp_path / "a" / "y"])
    assert a == checksum_of([tmp_path / "b" / "y", tmp_path / "b" / "x"])
    (tmp_path / "b" / "y").write_text("3")
    assert a != checksum_of([tmp_path / "b" / "y", tmp_path / "b" / "x"])


def test_groups_are_held_out_whole() -> None:
    groups = np.repeat(np.arange(10), 7)
    rest, apart = held_out_groups(groups, 0.3, seed=1)
    assert len(np.unique(groups[apart])) == 3
    assert set(groups[apart]).isdisjoint(groups[rest])
    assert sorted([*rest, *apart]) == list(range(70))
    assert len(held_out_groups(groups, 0.0, seed=1)[1]) == 7  # one group at least
    with pytest.raises(CosimError, match="one group"):
        held_out_groups(np.zeros(4, np.int64), 0.5, seed=1)


def test_classes_are_held_out_evenly() -> None:
    labels = np.repeat(np.arange(4), 10)
    rest, apart = held_out(labels, 0.2, seed=1)
    assert np.bincount(labels[apart]).tolist() == [2, 2, 2, 2]
    assert len(rest) == 32
