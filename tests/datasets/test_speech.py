"""The speech data sets: recordings, official parts, the twelve-class task; on recordings of the tests' own."""

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cosim.datasets import fsdd, speech_commands
from cosim.datasets.fsdd import load_fsdd
from cosim.datasets.recordings import fitted, read_wav
from cosim.datasets.speech_commands import CLASSES, WORDS, load_speech_commands
from cosim.errors import CosimError


def write_wav(path: Path, samples: int, rate: int, *, channels: int = 1, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(-9000, 9000, samples * channels).astype("<i2")
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(channels)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes(values.tobytes())


def test_a_recording(tmp_path: Path) -> None:
    write_wav(tmp_path / "a.wav", 100, 8000)
    signal = read_wav(tmp_path / "a.wav", 8000)
    expected = np.random.default_rng(0).integers(-9000, 9000, 100) / 32768
    np.testing.assert_array_equal(signal, expected.astype(np.float32))
    assert fitted(signal, 60).tolist() == signal[:60].tolist()
    assert fitted(signal, 120).tolist() == [*signal.tolist(), *([0.0] * 20)]


def test_wrong_recordings_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with pytest.raises(CosimError, match=r"a\.wav.*missing"):
        read_wav(path, 8000)
    write_wav(path, 100, 16_000)
    with pytest.raises(CosimError, match=r"a\.wav.*16000 Hz.*8000 Hz"):
        read_wav(path, 8000)
    write_wav(path, 100, 8000, channels=2)
    with pytest.raises(CosimError, match="2 channels"):
        read_wav(path, 8000)
    write_wav(path, 0, 8000)
    with pytest.raises(CosimError, match="truncated: 0 of 0"):
        read_wav(path, 8000)
    write_wav(path, 100, 8000)
    content = path.read_bytes()
    path.write_bytes(content[:-50])
    with pytest.raises(CosimError, match="truncated: 75 of 100 samples"):
        read_wav(path, 8000)
    for broken in (content[:20], b"RIFF", b"", b"no sound at all"):
        path.write_bytes(broken)
        with pytest.raises(CosimError, match=r"a\.wav.*not a readable wav file"):
            read_wav(path, 8000)


def test_fsdd_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fsdd, "SPEAKERS", ("ann", "bob"))
    monkeypatch.setattr(fsdd, "TAKES", {"test": range(0, 1), "train": range(1, 2)})
    for digit in range(10):
        for speaker in ("ann", "bob"):
            for take in range(2):
                write_wav(tmp_path / f"{digit}_{speaker}_{take}.wav", 4000, 8000, seed=digit)
    part = load_fsdd("test", tmp_path)
    assert part.inputs.shape == (20, 50, 40)
    assert part.labels.tolist() == np.repeat(np.arange(10), 2).tolist()
    assert part.groups.tolist() == [0, 1] * 10
    np.testing.assert_array_equal(part.inputs[0], part.inputs[1])  # the same sound of both
    (tmp_path / "3_bob_0.wav").rename(tmp_path / "3_bobby_0.wav")
    with pytest.raises(CosimError, match=r"3_bob_0\.wav.*missing"):
        load_fsdd("test", tmp_path)


@pytest.mark.slow
def test_real_digits(real: Callable[[str], Path]) -> None:
    part = load_fsdd("test", real("free-spoken-digit-dataset/recordings"))
    assert part.inputs.shape == (300, 50, 40)
    assert np.bincount(part.labels).tolist() == [30] * 10
    assert np.all(np.isfinite(part.inputs))


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """Three recordings a word: one on each list, one on none; two unknown words, three noises."""
    lists: dict[str, list[str]] = {"validation": [], "testing": []}
    for place, word in enumerate((*WORDS, "bed", "cat")):
        for number, speaker in enumerate(("aaa", "bbb", "ccc")):
            name = f"{word}/{speaker}_nohash_0.wav"
            write_wav(tmp_path / name, 8000 if number == 0 else 16_000, 16_000, seed=3 * place + number)
            if number:
                lists["validation" if number == 1 else "testing"].append(name)
    for number, samples in enumerate((16_000, 20_000, 30_000)):
        write_wav(tmp_path / "_background_noise_" / f"noise_{number}.wav", samples, 16_000, seed=100 + number)
    for name, names in lists.items():
        (tmp_path / f"{name}_list.txt").write_text("\n".join(names) + "\n")
    return tmp_path


@pytest.mark.parametrize(("part", "speaker"), [("train", "aaa"), ("validation", "bbb"), ("test", "ccc")])
def test_twelve_classes(commands: Path, part: str, speaker: str) -> None:
    loaded = load_speech_commands(part, commands, official=False)
    assert loaded.inputs.shape == (12, 50, 40)
    assert loaded.classes == CLASSES
    assert np.bincount(loaded.labels).tolist() == [1] * 12  # as many unknown words and silences as of a word
    again = load_speech_commands(part, commands, official=False)
    np.testing.assert_array_equal(loaded.inputs, again.inputs)
    assert loaded.groups.tolist() == [0] * 11 + [-1]
    word = CLASSES.index("yes")
    signal = fitted(read_wav(commands / f"yes/{speaker}_nohash_0.wav", 16_000), 16_000)
    expected = speech_commands.mfcc(signal, 16_000, 40, 640, 320, 40)[:50]
    np.testing.assert_array_equal(loaded.inputs[loaded.labels == word][0], expected)


def test_wrong_commands_are_named(commands: Path) -> None:
    with pytest.raises(CosimError, match="not the official number of recordings"):
        load_speech_commands("test", commands)
    (commands / "go" / "ccc_nohash_0.wav").rename(commands / "go" / "ddd_nohash_0.wav")
    with pytest.raises(CosimError, match=r"go/ccc_nohash_0\.wav.*1 recordings of the lists are missing"):
        load_speech_commands("train", commands, official=False)
    (commands / "go" / "ddd_nohash_0.wav").rename(commands / "go" / "ccc_nohash_0.wav")
    (commands / "testing_list.txt").write_text("go\n")
    with pytest.raises(CosimError, match=r"testing_list\.txt.*not a list of recordings"):
        load_speech_commands("test", commands, official=False)
    (commands / "testing_list.txt").write_text("go/ccc_nohash_0.wav\n")
    with pytest.raises(CosimError, match="no recording of this word"):
        load_speech_commands("test", commands, official=False)
    (commands / "validation_list.txt").unlink()
    with pytest.raises(CosimError, match=r"validation_list\.txt.*missing"):
        load_speech_commands("test", commands, official=False)
