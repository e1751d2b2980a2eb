"""What a user can get wrong: one message that names the place and the cure, exit code 2, nothing written."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cosim import cli
from cosim.blocks import ramp_adc
from cosim.blocks.dataset import load_dataset, save_dataset
from cosim.spice import SimulatorPool

Refuse = Callable[..., str]


def contents(folder: Path) -> dict[str, bytes]:
    """Name and content of everything below `folder`, hidden files too; folders count as empty."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b"" for path in folder.rglob("*")
    }  # fmt: skip


@pytest.fixture
def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, own_cache: Path
) -> Refuse:
    """Run a command that must fail, without any simulation; returns its message."""
    monkeypatch.chdir(tmp_path)

    def simulate(*arguments: object) -> None:
        raise AssertionError("a deck was simulated before the input was refused")

    monkeypatch.setattr(SimulatorPool, "_schedule", simulate)

    def run(*arguments: str, says: tuple[str, ...] = ()) -> str:
        before = contents(tmp_path)
        monkeypatch.setattr(sys, "argv", ["cosim", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        assert end.value.code == 2
        assert "Traceback" not in err
        assert contents(tmp_path) == before
        if "--json" in arguments:
            answer = json.loads(out)
            assert set(answer) == {"error"}
            assert err == f"error: {answer['error']['message']}\n"
        else:
            assert out == ""
        for text in says:
            assert text in err
        return err

    return run


@pytest.fixture(scope="session")
def data_set(tmp_path_factory: pytest.TempPathFactory, own_cache: Path) -> Path:
    """Four chips of two bits."""
    with SimulatorPool(2) as pool:
        data = ramp_adc.characterise(ramp_adc.Config(bits=2), chips=4, v_reads=(0.2,), pool=pool, show_progress=False)
    return save_dataset(data, tmp_path_factory.mktemp("data") / "adc.nc")


@pytest.fixture
def model_file(data_set: Path, tmp_path: Path) -> Path:
    ramp_adc.fit(load_dataset(data_set)).save(tmp_path / "adc.json")
    return tmp_path / "adc.json"
