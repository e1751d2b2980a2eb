"""The file of weights: what goes in comes out, and nothing else comes in. And the shipped weights."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from cosim.blocks.ramp_adc.functions import code_levels, get_function
from cosim.datasets.digits import load_digits
from cosim.errors import CosimError
from cosim.networks.weights import (
    ENTRY,
    GATE_FUNCTIONS,
    SCHEMA,
    LstmWeights,
    WeightsMetadata,
    load_weights,
    save_weights,
    shipped_weights,
)
from cosim.studies.statistics import paired_difference
from cosim.tiles.quantise import codes_from_mac, dac_codes, dac_values, decode, quantise_weights

METADATA = WeightsMetadata("qat", 5, 2.0, 3, "digits/test", 0.9816360601001669, "cosim train ...", "0.1.0")


@pytest.fixture
def weights() -> LstmWeights:
    rng = np.random.default_rng(1)
    return LstmWeights(
        gates=quantise_weights(rng.normal(0, 1, (4, 12, 6)), 5, 2.0).astype(np.float32),
        head_weights=rng.normal(0, 1, (6, 3)).astype(np.float32),
        head_bias=rng.normal(0, 1, 3).astype(np.float32),
        metadata=METADATA,
    )


def arrays_of(weights: LstmWeights) -> dict[str, NDArray[np.float32]]:
    return {name: np.array(getattr(weights, name)) for name in ("gates", "head_weights", "head_bias")}


def test_round_trip(weights: LstmWeights, tmp_path: Path) -> None:
    path = save_weights(weights, tmp_path / "new" / "w.safetensors")
    again = load_weights(path)
    assert again.metadata == weights.metadata
    for name, array in arrays_of(weights).items():
        assert np.array_equal(getattr(again, name), array)
    assert (again.inputs, again.hidden, again.classes) == (5, 6, 3)


def test_float_form_has_no_bits(weights: LstmWeights, tmp_path: Path) -> None:
    made = dataclasses.replace(METADATA, form="float", bits=None)
    path = save_weights(dataclasses.replace(weights, metadata=made), tmp_path / "w.safetensors")
    assert load_weights(path).metadata == made


def test_nobody_changes_weights_by_accident(weights: LstmWeights) -> None:
    with pytest.raises(ValueError, match="read-only"):
        weights.gates[0, 0, 0] = 1.0


def wrong(name: str, change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Any:
    return lambda arrays: {**arrays, name: change(arrays[name])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (wrong("gates", lambda a: a[:3]), r"'gates'.*\(3, 12, 6\)"),
        (wrong("gates", lambda a: a[:, :7]), r"'gates'.*\(4, 7, 6\)"),
        (wrong("gates", lambda a: a[0]), r"'gates'.*3 dimensions"),
        (wrong("gates", lambda a: a * np.nan), r"'gates'.*not finite"),
        (wrong("gates", lambda a: a * 3), r"'gates'.*exceeds w_max.*-2.0 to 2.0"),
        (wrong("gates", lambda a: a * 0.9), r"'gates'.*5-bit grid"),
        (wrong("head_weights", lambda a: a[:5]), r"'head_weights'.*\(5, 3\).*\(6, 3\)"),
        (wrong("head_bias", lambda a: a[:0]), r"'head_bias'.*none empty"),
        (lambda arrays: {"gates": arrays["gates"]}, r"wrong set of arrays.*gates, head_weights, head_bias"),
        (lambda arrays: {**arrays, "more": arrays["head_bias"]}, r"wrong set of arrays"),
    ],
)
def test_wrong_arrays_in_a_file(weights: LstmWeights, tmp_path: Path, change: Any, message: str) -> None:
    good = save_weights(weights, tmp_path / "good.safetensors")
    path = tmp_path / "bad.safetensors"
    save_file({n: np.ascontiguousarray(a) for n, a in change(load_file(good)).items()}, path, metadata_of(good))
    with pytest.raises(CosimError, match=message) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "value", "message"),
    [
        ("schema", "cosim.weights/99", rf"'schema'.*Allowed: {SCHEMA}"),
        ("schema", ..., r"not weights of an LSTM"),
        ("form", "binary", r"'form'.*Allowed: float, qat"),
        ("bits", 12, r"'bits'.*Allowed: 2 to 8"),
        ("bits", None, r"'bits'.*Allowed: 2 to 8"),
        ("bits", "five", r"'bits'.*wrong kind.*int or null"),
        ("w_max", -1.0, r"'w_max'.*Allowed: above 0"),
        ("seed", ..., r"'seed'.*missing"),
    ],
)
def test_wrong_metadata_in_a_file(weights: LstmWeights, tmp_path: Path, entry: str, value: Any, message: str) -> None:
    good = save_weights(weights, tmp_path / "good.safetensors")
    entries = {**json.loads(metadata_of(good)[ENTRY]), entry: value}
    path = tmp_path / "bad.safetensors"
    text = json.dumps({name: value for name, value in entries.items() if value is not ...})
    save_file(load_file(good), path, {ENTRY: text})
    with pytest.raises(CosimError, match=message) as caught:
        load_weights(path)
    assert str(path) in str(caught.value)


def metadata_of(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as stream:
        return dict(stream.metadata())


@pytest.mark.parametrize(
    ("metadata", "message"),
    [(None, "not weights of an LSTM"), ({ENTRY: "{"}, "JSON object"), ({ENTRY: "[1]"}, "JSON object")],
)
def test_somebody_elses_safetensors(
    weights: LstmWeights, tmp_path: Path, metadata: dict[str, str] | None, message: str
) -> None:
    path = tmp_path / "other.safetensors"
    save_file(arrays_of(weights), path, metadata)
    with pytest.raises(CosimError, match=rf"other.safetensors.*{message}"):
        load_weights(path)


def test_same_weights_same_bytes(weights: LstmWeights, tmp_path: Path) -> None:
    files = [save_weights(weights, tmp_path / f"{n}.safetensors").read_bytes() for n in range(5)]
    assert len(set(files)) == 1


def test_no_file_and_no_safetensors(tmp_path: Path) -> None:
    with pytest.raises(CosimError, match=r"nothing.safetensors.*no such file"):
        load_weights(tmp_path / "nothing.safetensors")
    path = tmp_path / "text.safetensors"
    path.write_text("not weights")
    with pytest.raises(CosimError, match=r"text.safetensors.*not a readable safetensors file"):
        load_weights(path)


def test_unwritable_place_leaves_nothing(weights: LstmWeights, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CosimError, match="cannot write"):
        save_weights(weights, tmp_path / "file" / "w.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


class ReferenceTile:
    """A quantised tile in a few lines of NumPy, with errors as the hardware's: its own model, for comparison.

    `weight_error`: of a cell, as a share of the window, two cells a weight. `offset`: standard deviation of a shift of
    all thresholds of a column, drawn once a chip, and of another one drawn at each conversion, in LSB of the output.
    """

    def __init__(self, function: str, weights: LstmWeights, weight_error: float = 0, offset: float = 0) -> None:
        self.inputs, self.outputs = weights.gates.shape[1:]
        self.function, self.w_max = get_function(function), weights.metadata.w_max
        self.weight_error, self.offset = weight_error, offset * (self.function.high - self.function.low) / 32

    def program(self, weights: NDArray[np.float64], rng: np.random.Generator) -> None:
        error = rng.normal(0, 1, (2, *weights.shape)) * self.weight_error * self.w_max
        self.weights = quantise_weights(weights, 5, self.w_max) + error[0] - error[1]
        self.shift = rng.normal(0, 1, self.outputs) * self.offset

    def forward(self, inputs: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        mac = dac_values(dac_codes(inputs, 5), 5) @ self.weights
        noise = self.shift + rng.normal(0, 1, mac.shape) * self.offset
        codes = codes_from_mac(self.function.value(mac) - noise, code_levels(self.function, 5))
        return decode(codes, self.function.low, self.function.high, 5)


def right_answers(weights: LstmWeights, seed: int = 0, **errors: float) -> NDArray[np.bool_]:
    """Right or wrong for each of the 599 test images, on one chip of reference tiles."""
    tiles = {gate: ReferenceTile(name, weights, **errors) for gate, name in GATE_FUNCTIONS.items()}
    rng = np.random.default_rng(seed)
    for tile, matrix in zip(tiles.values(), weights.gates.astype(np.float64), strict=True):
        tile.program(matrix, rng)
    test = load_digits("test")
    h = c = np.zeros((len(test), weights.hidden), np.float32)
    for x in test.sequences.transpose(1, 0, 2):
        z = np.concatenate([x, h, np.ones((len(test), 1))], axis=1)
        made = {gate: tile.forward(z, rng).astype(np.float32) for gate, tile in tiles.items()}
        c = made["f"] * c + made["i"] * made["g"]
        h = made["o"] * np.tanh(c)
    return np.argmax(h @ weights.head_weights + weights.head_bias, axis=1) == test.labels


def test_shipped_qat_weights_are_as_good_as_they_say() -> None:
    weights = shipped_weights("qat", 5)
    assert weights.metadata.form == "qat"
    assert weights.metadata.bits == 5
    assert right_answers(weights).mean() == weights.metadata.accuracy


def test_shipped_pair_on_the_same_images() -> None:
    """At 5 bits the quantisation-aware weights lose less than 1.5 points against float on the same images."""
    test, weights = load_digits("test"), shipped_weights("float")
    sigmoid, gates = get_function("sigmoid").value, weights.gates.astype(np.float64)
    h = c = np.zeros((len(test), weights.hidden))
    for x in test.sequences.transpose(1, 0, 2):
        i, f, g, o = np.concatenate([x, h, np.ones((len(test), 1))], axis=1) @ gates
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    in_float = np.argmax(h @ weights.head_weights + weights.head_bias, axis=1) == test.labels
    assert in_float.mean() == weights.metadata.accuracy
    assert in_float.mean() >= 0.97
    assert paired_difference(in_float, right_answers(shipped_weights("qat", 5))).value < 0.015


def test_shipped_weights_survive_an_imperfect_chip() -> None:
    weights = shipped_weights("qat", 5)
    chips = [right_answers(weights, seed, weight_error=2.67 / 149, offset=0.25).mean() for seed in range(20)]
    assert np.mean(chips) > 0.97
