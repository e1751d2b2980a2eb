"""Penn Treebank: words and characters, small texts and the real ones."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cosim.datasets.ptb import COUNTS, load_ptb
from cosim.errors import CosimError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for part, text in (("train", " the cat sat \n a cat \n "), ("valid", " a cat \n"), ("test", " the the \n sat \n")):
        (tmp_path / f"ptb.{part}.txt").write_text(text)
        characters = "".join(f" {' '.join('_'.join(line.split()))} \n" for line in text.strip().split("\n"))
        (tmp_path / f"ptb.char.{part}.txt").write_text(characters)
    return tmp_path


def test_words(folder: Path) -> None:
    text = load_ptb("train", "word", folder, official=False)
    assert text.vocabulary == ("<eos>", "a", "cat", "sat", "the")
    assert text.symbols.tolist() == [4, 2, 3, 0, 1, 2, 0]
    assert load_ptb("test", "word", folder, official=False).symbols.tolist() == [4, 4, 0, 3, 0]


def test_characters(folder: Path) -> None:
    text = load_ptb("test", "char", folder, official=False)
    assert "".join(text.vocabulary[place] if place else "|" for place in text.symbols) == "the_the|sat|"


def test_wrong_files_are_named(folder: Path) -> None:
    with pytest.raises(CosimError, match="not the official text: 7 symbols"):
        load_ptb("train", "word", folder)
    with pytest.raises(CosimError, match="no such level"):
        load_ptb("train", "words", folder)  # type: ignore[arg-type]
    with pytest.raises(CosimError, match="Did you mean 'valid'"):
        load_ptb("validation", "word", folder)
    (folder / "ptb.test.txt").write_text(" the dog \n")
    with pytest.raises(CosimError, match=r"ptb\.test\.txt.*'dog'.*not in the training text"):
        load_ptb("test", "word", folder, official=False)
    (folder / "ptb.test.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(CosimError, match=r"ptb\.test\.txt: not a text"):
        load_ptb("test", "word", folder, official=False)
    (folder / "ptb.valid.txt").unlink()
    with pytest.raises(CosimError, match=r"ptb\.valid\.txt.*missing"):
        load_ptb("valid", "word", folder, official=False)


def test_real_texts(real: Callable[[str], Path]) -> None:
    folder = real("simple-examples/data")
    text = load_ptb("test", "word", folder)
    assert len(text) == COUNTS["word"]["test"]
    assert " ".join(text.vocabulary[place] for place in text.symbols[:8]) == "no it was n't black monday <eos> but"
    assert np.count_nonzero(text.symbols == 0) == 3761  # sentences
    characters = load_ptb("valid", "char", folder)
    assert len(characters.vocabulary) == 50
