"""Training: its quantisers against the tiles', gradients, determinism, and what it refuses."""

import dataclasses
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.blocks.ramp_adc.functions import get_function, ideal_thresholds
from cosim.datasets.digits import load_digits
from cosim.errors import CosimError
from cosim.networks.weights import LstmWeights, load_weights, shipped_weights
from cosim.tiles.quantise import codes_from_mac, dac_codes, dac_values, decode, quantise_weights
from cosim.training import digits_lstm
from cosim.training.digits_lstm import on_tiles, train, train_command


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch (extra `train`) is not installed")


@pytest.mark.parametrize("name", ["sigmoid", "tanh"])
@pytest.mark.parametrize("bits", [2, 5, 8])
def test_staircase_forward_and_backward(torch: Any, name: str, bits: int) -> None:
    from cosim.training.model import staircase

    function = get_function(name)
    thresholds = ideal_thresholds(function, bits)
    values = np.concatenate([np.linspace(-8, 8, 301), thresholds])
    mac = torch.tensor(values, requires_grad=True)
    activation = staircase(mac, name, bits)
    expected = decode(codes_from_mac(values, thresholds), function.low, function.high, bits)
    np.testing.assert_allclose(activation.detach().numpy(), expected, atol=1e-15)
    activation.sum().backward()
    slope = {"sigmoid": function.value(values) * function.value(-values), "tanh": 1 - np.tanh(values) ** 2}[name]
    np.testing.assert_allclose(mac.grad.numpy(), slope, atol=1e-12)


def test_quantisers_forward_and_backward(torch: Any) -> None:
    from cosim.training.model import quantise

    values = np.linspace(-3, 3, 601)
    for limit, expected in (
        (1.0, dac_values(dac_codes(values, 5), 5)),
        (2.0, quantise_weights(values, 5, 2.0)),
    ):
        tensor = torch.tensor(values, requires_grad=True)
        found = quantise(tensor, 5, limit)
        np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-15)
        found.sum().backward()
        inside = np.abs(values) < limit - 1e-9
        assert np.all(tensor.grad.numpy()[inside] == 1)
        assert np.all(tensor.grad.numpy()[np.abs(values) > limit + 1e-9] == 0)


def test_weight_noise_is_in_the_forward_pass_only(torch: Any) -> None:
    from cosim.training.model import TrainingHardware, TrainingLstm

    model = TrainingLstm(8, 32, 10, torch.Generator().manual_seed(0))
    hardware = TrainingHardware(5, 2.0, 0.025)
    noisy = model.effective_gates(hardware, torch.Generator().manual_seed(1))
    error = (noisy - model.effective_gates(hardware, None)).detach().numpy()
    assert error.std() == pytest.approx(0.05, rel=0.05)
    noisy.sum().backward()
    assert np.all(model.gates.grad.numpy() == 1)


def test_the_model_is_the_network_on_quantised_tiles(torch: Any) -> None:
    from cosim.training.model import TrainingHardware, TrainingLstm

    weights, images = shipped_weights("qat", 5), load_digits("test")
    model = TrainingLstm(8, 32, 10, torch.Generator().manual_seed(0)).double()
    model.take({name: getattr(weights, name) for name in ("gates", "head_weights", "head_bias")})
    with torch.no_grad():
        logits = model(torch.tensor(images.sequences).double(), TrainingHardware(5, 2.0, 0.0))[0].numpy()
    found = on_tiles(weights, 5).forward(images.sequences)
    # float32 cells against float64 ones: now and then h lies so near a rounding edge of the DAC that it matters
    same = np.all(np.abs(logits - found) < 1e-3, axis=1)
    assert same.mean() > 0.98


def same_weights(one: LstmWeights, other: LstmWeights) -> bool:
    return all(np.array_equal(getattr(one, n), getattr(other, n)) for n in ("gates", "head_weights", "head_bias"))


def test_a_seed_decides_everything(torch: Any) -> None:
    for form in ("float", "qat"):
        start = shipped_weights("float") if form == "qat" else None
        one, same, other = (train(form, 5, seed, epochs=1, start=start) for seed in (4, 4, 5))
        assert same_weights(one.weights, same.weights)
        assert one.report == same.report
        assert not same_weights(one.weights, other.weights)


def test_short_training_learns_and_keeps_to_the_window(torch: Any) -> None:
    done: list[int] = []
    result = train("float", 5, 1, epochs=12, w_max=0.5, progress=done.append)
    assert sum(done) == 12
    assert result.report["accuracy"] > 0.7  # chance is 0.1
    assert np.abs(result.weights.gates).max() == 0.5
    assert result.correct.shape == (599,)
    assert result.correct.sum() == result.report["correct"]
    assert result.weights.metadata.accuracy == result.report["accuracy"]


def test_command_writes_both_forms(torch: Any, tmp_path: Path) -> None:
    report = train_command("both", 4, 3, tmp_path / "out", epochs=2, label=None)
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["digits_lstm_float.safetensors", "digits_lstm_qat4.safetensors"]
    qat = load_weights(report["files"]["qat"])
    assert qat.metadata.command == "cosim train digits_lstm --form qat --bits 4 --seed 3 --epochs 2"
    assert qat.metadata.accuracy == report["qat"]["accuracy"]
    assert np.array_equal(qat.gates, quantise_weights(qat.gates, 4, qat.metadata.w_max).astype(np.float32))
    paired = report["paired"]
    assert paired["only_a"] - paired["only_b"] == report["float"]["correct"] - report["qat"]["correct"]
    # the form "qat" alone makes the same weights: its float start is trained on the way
    alone = train_command("qat", 4, 3, tmp_path / "alone", epochs=2, label=None)
    assert list(alone["files"]) == ["qat"]
    assert same_weights(load_weights(alone["files"]["qat"]), qat)


def test_shipped_weights_name_the_command_that_makes_them() -> None:
    assert shipped_weights("float").metadata.command == "cosim train digits_lstm --form float --seed 1"
    assert shipped_weights("qat").metadata.command == "cosim train digits_lstm --form qat --bits 5 --seed 1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"form": "qta"}, r"'form'.*'qta'.*Did you mean 'qat'\?.*float, qat, both"),
        ({"bits": 9}, r"'bits'.*9.*Allowed: 2 to 8"),
        ({"seed": -1}, r"'seed'.*Allowed: 0 or more"),
        ({"epochs": 0}, r"'epochs'.*Allowed: 1 or more"),
        ({"w_max": float("nan")}, r"'w_max'.*Allowed: above 0"),
        ({"weight_noise": 2.0}, r"'weight_noise'.*Allowed: 0 to 1"),
    ],
)
def test_wrong_arguments(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arguments = {"form": "both", "bits": 5, "seed": 1, "output": tmp_path / "out", **change}
    with pytest.raises(CosimError, match=message):
        train_command(**arguments)
    assert not (tmp_path / "out").exists()


def test_output_is_checked_before_the_training(torch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits_lstm, "train", lambda *_, **__: pytest.fail("trained"))
    (tmp_path / "file").write_text("")
    with pytest.raises(CosimError, match=r"file.*not a folder"):
        train_command("float", 5, 1, tmp_path / "file" / "out")


def test_without_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    for call in (lambda: train("float"), lambda: train_command("float", 5, 1, tmp_path / "out")):
        with pytest.raises(CosimError, match=r"pip install 'cosim\[train\]'"):
            call()


def test_a_start_that_was_given_is_used(torch: Any) -> None:
    start = shipped_weights("float")
    moved = dataclasses.replace(start, head_bias=start.head_bias + 5)
    one, other = (train("qat", 5, 1, epochs=1, start=each).weights for each in (start, moved))
    assert other.head_bias.mean() > one.head_bias.mean() + 4
