"""Keeping the decks of a run."""

from pathlib import Path

import pytest

from cosim.errors import CosimError
from cosim.spice import Deck, SimulatorPool
from cosim.spice.recording import RecordingPool

DECK = Deck("divider", "v1 a 0 1\nr1 a b 1k\nr2 b 0 1k", (".op",), ("v(b)",))


def test_every_deck_is_written_once_as_ngspice_reads_it(pool: SimulatorPool, tmp_path: Path) -> None:
    recording = RecordingPool(pool, tmp_path / "decks")
    (result,) = recording.run([DECK])
    recording.run([DECK])
    (file,) = (tmp_path / "decks").iterdir()
    assert file.name == f"{result.key[:16]}.cir"
    assert file.read_text() == DECK.text(klu=pool.simulator.klu)
    assert result["v(b)"][0] == pytest.approx(0.5)


def test_a_folder_that_cannot_be_written_is_one_clear_error(pool: SimulatorPool, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CosimError, match="cannot write the decks"):
        RecordingPool(pool, tmp_path / "file").run([DECK])
