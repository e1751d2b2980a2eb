"""Float references: schedules, networks, files, tiny trainings; the real accuracies stand in the weights' files."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cosim.datasets.parts import Part, Text
from cosim.errors import CosimError
from cosim.networks.reference import (
    InputScaling,
    Reference,
    ReferenceMetadata,
    load_reference,
    rounded,
    save_reference,
)
from cosim.training.references import NETWORKS, train_reference

torch = pytest.importorskip("torch", reason="PyTorch (extra `train`) is not installed")


def schedule(*arguments: Any, **settings: Any) -> Any:
    from cosim.training.hardware import Schedule

    return Schedule(*arguments, **settings)


class Clock:
    """A clock that the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_schedule_rises_and_falls_along_a_cosine() -> None:
    plan = schedule(10, 0.4, warm_up=2)
    rates = []
    while not plan.finished:
        rates += [plan.rate(0.0), plan.rate(0.5)]
        plan.epoch_done()
    expected = [0.4 * k / 4 for k in range(4)] + [0.2 * (1 + math.cos(math.pi * k / 16)) for k in range(16)]
    np.testing.assert_allclose(rates, expected, atol=1e-15)
    assert plan.facts() == {"later_cuts": 0}


def test_schedule_fits_the_epochs_to_the_time() -> None:
    clock = Clock()
    plan = schedule(1000, 1.0, warm_up=3, seconds=100.0, clock=clock)
    rates = []
    while not plan.finished:
        rates.append(plan.rate(0.0))
        clock.now += 5.0 if plan.done == 0 else 2.0  # the first one warms up
        plan.epoch_done()
    assert 94 <= clock.now <= 100  # 3 % margin and less than an epoch
    falling = rates[3:]
    np.testing.assert_allclose(
        falling, [(1 + math.cos(math.pi * k / len(falling))) / 2 for k in range(len(falling))], atol=1e-12
    )
    assert plan.later_cuts == 0


def test_schedule_ends_in_time_when_the_machine_becomes_slow() -> None:
    clock = Clock()
    plan = schedule(100, 1.0, seconds=50.0, clock=clock)
    rates = []
    while not plan.finished:
        rates.append(plan.rate(1.0))
        clock.now += 1.0 if plan.done < 10 else 3.0
        plan.epoch_done()
    assert clock.now <= 53.0  # at most the epoch that is running when the time is up
    assert plan.later_cuts > 0
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1


def test_schedule_trains_one_falling_epoch_at_least() -> None:
    clock = Clock()
    plan = schedule(100, 1.0, warm_up=2, seconds=1.0, clock=clock)
    for _ in range(3):
        assert not plan.finished
        clock.now += 10
        plan.epoch_done()
    assert plan.finished
    with pytest.raises(CosimError, match="one epoch"):
        schedule(0, 1.0)


def test_resnet_32_is_he_et_als() -> None:
    from cosim.training.modules import CifarResNet

    model = CifarResNet(32)
    # 0.46 M in the paper's table 6; by hand: stem 432, stages 46080 + 179712... , norms 2 x 1136, head 650.
    convolutions = 27 * 16 + 10 * 9 * 16**2 + 9 * 16 * 32 + 9 * 9 * 32**2 + 9 * 32 * 64 + 9 * 9 * 64**2
    assert sum(p.numel() for p in model.parameters()) == convolutions + 2 * 1136 + 650 == 464_154
    assert sum(isinstance(m, torch.nn.Conv2d) for m in model.modules()) == 31
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    torch.fx.symbolic_trace(model)  # a user's tools can follow it
    with pytest.raises(CosimError, match="6n"):
        CifarResNet(31)
    with pytest.raises(CosimError, match="narrow"):
        CifarResNet(32, width=0.01)


def test_shortcut_has_no_weights() -> None:
    """With its convolutions at zero a block passes every second pixel on, zeros around the channels."""
    from cosim.training.modules import BasicBlock

    block = BasicBlock(4, 8, 2).eval()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.zero_()
        images = torch.rand(1, 4, 6, 6)
        found = block(images)
    assert torch.equal(found[:, 2:6], images[:, :, ::2, ::2])
    assert float(found[:, :2].abs().max()) == float(found[:, 6:].abs().max()) == 0.0


def test_forget_gate_remembers_at_first() -> None:
    from cosim.training.modules import LstmClassifier

    lstm = LstmClassifier(3, 5, 2).lstm
    total = (lstm.bias_ih_l0 + lstm.bias_hh_l0).detach()
    assert torch.equal(total[5:10], torch.ones(5))


def test_image_inputs() -> None:
    from cosim.training.resnet_loop import PAD, Images

    rng = np.random.default_rng(0)
    raw = rng.integers(0, 256, (6, 3, 32, 32), dtype=np.uint8)
    mean, scale = [100.0, 110.0, 120.0], [50.0, 60.0, 70.0]
    images = Images.on(torch.device("cpu"), raw, np.arange(6), mean, scale)
    plain = images.inputs(torch.arange(6))
    expected = InputScaling(tuple(mean), tuple(scale), axis=-3).apply(raw)
    np.testing.assert_allclose(plain.numpy(), expected, rtol=1e-6)
    assert plain.is_contiguous(memory_format=torch.channels_last)
    varied = images.inputs(torch.zeros(200, dtype=torch.int64), torch.Generator().manual_seed(1))
    # Every one is the image, moved by up to PAD pixels, mirrored or not, with the mean colour (0) around it.
    framed = np.pad(expected[0], ((0, 0), (PAD, PAD), (PAD, PAD)))
    places = {
        framed[:, y : y + 32, x : x + 32][:, :, ::turn].tobytes(): (y, x, turn)
        for y in range(2 * PAD + 1)
        for x in range(2 * PAD + 1)
        for turn in (1, -1)
    }
    found = [places[np.ascontiguousarray(each).astype(np.float32).tobytes()] for each in varied.numpy()]
    assert {turn for _, _, turn in found} == {1, -1}
    assert {y for y, _, _ in found} == {x for _, x, _ in found} == set(range(2 * PAD + 1))


def test_colour_statistics() -> None:
    from cosim.training.cifar10_resnet import colour_statistics

    images = np.random.default_rng(2).integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)
    mean, scale = colour_statistics(images)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 2, 3)))
    np.testing.assert_allclose(scale, images.std(axis=(0, 2, 3)))


def test_step_is_torchs_descent() -> None:
    """The fused step with its rate in a tensor against torch's plain one, over steps of different rates."""
    from cosim.training.resnet_loop import Stepper

    torch.manual_seed(0)
    models = [torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 3)) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    step = Stepper(models[0], 4, torch.zeros(1, 3, 4, 4), momentum=0.9, weight_decay=0.01)
    plain = torch.optim.SGD(models[1].parameters(), lr=1.0, momentum=0.9, weight_decay=0.01, nesterov=True)
    for rate in (0.1, 0.3, 0.05):
        inputs, labels = torch.randn(4, 3, 4, 4), torch.tensor([0, 1, 2, 0])
        step(inputs, labels, rate)
        plain.param_groups[0]["lr"] = rate
        plain.zero_grad()
        torch.nn.functional.cross_entropy(models[1](inputs), labels).backward()
        plain.step()
    for a, b in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(a, b)
    assert not step.graphed


def test_bits_per_symbol() -> None:
    """A model that knows nothing needs log2(n) bits; a text in pieces is the text; streams start anew."""
    from cosim.training.modules import LstmLanguageModel
    from cosim.training.ptb_char_lstm import bits_per_symbol

    torch.manual_seed(0)
    model = LstmLanguageModel(5, 4)
    text = torch.randint(0, 5, (41,))
    pieces = bits_per_symbol(model, text, piece=7)
    assert pieces == pytest.approx(bits_per_symbol(model, text), rel=1e-6)
    halves = [bits_per_symbol(model, half) for half in (text[:20], text[20:40])]
    assert bits_per_symbol(model, text, streams=2) == pytest.approx(np.mean(halves), rel=1e-6)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    assert bits_per_symbol(model, text) == pytest.approx(math.log2(5), rel=1e-6)


def metadata(**changes: Any) -> ReferenceMetadata:
    known: dict[str, Any] = {
        "network": "toy", "config": {"hidden": 2}, "scaling": {"mean": [1.0], "scale": [2.0], "axis": -1, "clip": 1.0},
        "dataset": "none", "checksum": "0", "metric": "accuracy", "value": 0.5, "examples": 4, "seed": 1, "recipe": {},
        "command": "cosim train toy", "device": "CPU", "precision": "float32", "cosim_version": "0",
    }  # fmt: skip
    return ReferenceMetadata(**{**known, **changes})


def test_file_round_trip(tmp_path: Path) -> None:
    arrays = {"weight": np.array([[0.1, 1e-3], [3.0, -2.0]], np.float32), "bias": np.array([0.1], np.float32)}
    for precision, error in (("float32", 0.0), ("float16", 2**-11)):
        path = save_reference(Reference(arrays, metadata(precision=precision)), tmp_path / "toy.safetensors")
        again = load_reference(path)
        assert again.metadata == metadata(precision=precision)
        assert again.arrays["weight"].dtype == np.float32
        np.testing.assert_allclose(again.arrays["weight"], arrays["weight"], rtol=error, atol=0)
        np.testing.assert_array_equal(again.arrays["bias"], arrays["bias"])
    assert again.scaling == InputScaling((1.0,), (2.0,), -1, 1.0)
    np.testing.assert_allclose(again.scaling.apply(np.array([[1.0], [2.0], [9.0]])), [[0], [0.5], [1]])


def test_wrong_files_are_named(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    path = tmp_path / "toy.safetensors"
    with pytest.raises(CosimError, match="no such file"):
        load_reference(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(CosimError, match="not a readable safetensors file"):
        load_reference(path)
    save_file({"a": np.zeros(1)}, path)
    with pytest.raises(CosimError, match="not weights of a float reference"):
        load_reference(path)
    save_file({"a": np.zeros(1)}, path, metadata={"cosim": json.dumps({"schema": "cosim.reference/1"})})
    with pytest.raises(CosimError, match="missing or unknown"):
        load_reference(path)
    with pytest.raises(CosimError, match="not a finite number"):
        save_reference(Reference({"a": np.array([np.nan], np.float32)}, metadata()), path)
    with pytest.raises(CosimError, match="too large for float16"):
        rounded({"a": np.full((1, 1), 1e5, np.float32)}, "float16")


def toy_part(name: str, count: int, steps: int, inputs: int, classes: int) -> Part:
    """Sequences whose mean tells their class."""
    rng = np.random.default_rng(len(name))
    labels = np.arange(count) % classes
    values = rng.normal(size=(count, steps, inputs)) * 0.3 + labels[:, None, None] - (classes - 1) / 2
    groups = np.arange(count) // classes % 5
    return Part(values.astype(np.float32), labels, tuple("abcdef"[:classes]), groups, name, "by hand", name)


@pytest.fixture
def toy_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small data sets in place of the real ones."""

    def images(part: str) -> Part:
        rng = np.random.default_rng(5)
        labels = np.arange(40) % 2
        values = (rng.integers(0, 100, (40, 3, 32, 32)) + 100 * labels[:, None, None, None]).astype(np.uint8)
        return Part(values, labels, ("dark", "bright"), np.arange(40), f"toy/{part}", "by hand", part)

    def text(part: str, level: str) -> Text:
        return Text(np.arange(600, dtype=np.int32) % 3, ("<eos>", "a", "b"), f"toy/{part}", "by hand", part)

    monkeypatch.setattr("cosim.training.har_lstm.load_har", lambda part: toy_part(part, 60, 8, 9, 3))
    monkeypatch.setattr("cosim.training.fsdd_lstm.load_fsdd", lambda part: toy_part(part, 60, 8, 4, 3))
    monkeypatch.setattr("cosim.training.cifar10_resnet.load_cifar10", images)
    monkeypatch.setattr("cosim.training.ptb_char_lstm.load_ptb", text)


TINY: dict[str, dict[str, Any]] = {
    "har_lstm": {"epochs": 12, "hidden": 8, "batch": 10},
    "fsdd_lstm": {"epochs": 12, "hidden": 8, "batch": 10, "shift": 1},
    "ptb_char_lstm": {"epochs": 6, "hidden": 8, "batch": 4, "steps": 10, "rate": 0.05},
    "cifar10_resnet32": {"epochs": 6, "depth": 8, "width": 0.25, "batch": 10, "warm_up": 1},
}


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.usefixtures("toy_data")
def test_training_learns_repeats_and_is_stored(network: str, tmp_path: Path) -> None:
    settings = dict(TINY[network])
    epochs = settings.pop("epochs")

    def train(name: str, seed: int = 3) -> dict[str, Any]:
        return train_reference(
            network, tmp_path / name, seed=seed, device="cpu", epochs=epochs, settings=settings, label=None
        )

    report = train("a")
    if report["metric"] == "accuracy":
        assert report["float32"] >= 0.9  # chance is 1/3 and 1/2
    else:
        assert report["float32"] < 0.5  # of log2(3) = 1.58 bits; the text is periodic
    stored = load_reference(report["files"]["float32"])
    assert stored.metadata.value == report["float32"]
    assert stored.metadata.examples == report["examples"] > 0
    assert stored.metadata.command.startswith(f"cosim train {network} --seed 3 --device cpu")
    assert f"--epochs {epochs}" in stored.metadata.command
    log = json.loads((tmp_path / "a" / f"{network}.json").read_text())
    assert [row["epoch"] for row in log["curve"]] == list(range(1, epochs + 1))
    half = load_reference(report["files"]["float16"])
    for name, array in stored.arrays.items():
        np.testing.assert_allclose(half.arrays[name], array, rtol=2**-11, atol=2**-25)
    again, other = (load_reference(train(*case)["files"]["float32"]) for case in (("b",), ("c", 4)))
    assert all(np.array_equal(array, again.arrays[name]) for name, array in stored.arrays.items())
    assert not all(np.array_equal(array, other.arrays[name]) for name, array in stored.arrays.items())


@pytest.mark.parametrize("network", ["har_lstm", "fsdd_lstm", "cifar10_resnet32"])
@pytest.mark.usefixtures("toy_data")
def test_a_trial_leaves_the_test_part_unseen(network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {**TINY[network], "held_out": 0.25, "epochs": 1}
    report = train_reference(network, tmp_path, device="cpu", settings=settings, label=None)
    assert report["float32"] is None and report["float16"] is None
    assert 0 <= report["validation_accuracy"] <= 1
    assert load_reference(report["files"]["float16"]).metadata.value is None


@pytest.mark.parametrize(
    ("network", "arguments", "message"),
    [
        ("har_lsmt", {}, "Did you mean 'har_lstm'"),
        ("har_lstm", {"seed": -1}, "not negative"),
        ("har_lstm", {"epochs": 0}, "at least one epoch"),
        ("har_lstm", {"minutes": 0.0}, "no time"),
        ("har_lstm", {"device": "tpu"}, "unknown device"),
        ("har_lstm", {"settings": {"hiden": 3}}, "Did you mean 'hidden'"),
        ("har_lstm", {"settings": {"hidden": 0.5}}, "not a number of this kind"),
        ("har_lstm", {"settings": {"hidden": 0}}, "at least one"),
        ("har_lstm", {"settings": {"dropout": 1.0}}, "not a share"),
        ("ptb_char_lstm", {"settings": {"dropout": 1.0}}, "not a share"),
        ("ptb_char_lstm", {"settings": {"steps": 0}}, "at least one"),
        ("cifar10_resnet32", {"settings": {"depth": 9, "batch": 10}}, "6n"),
        ("cifar10_resnet32", {"settings": {"batch": 41}}, "fewer images"),
        ("cifar10_resnet32", {"settings": {"rate": -1}}, "not negative"),
    ],
)
@pytest.mark.usefixtures("toy_data")
def test_bad_input(network: str, arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(CosimError, match=message):
        train_reference(network, tmp_path, **{"device": "cpu", "label": None, **arguments})
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("toy_data")
def test_a_module_of_a_file(tmp_path: Path) -> None:
    from cosim.training.modules import module_of

    settings = {**TINY["cifar10_resnet32"], "epochs": 1}
    report = train_reference("cifar10_resnet32", tmp_path, device="cpu", settings=settings, label=None)
    reference = load_reference(report["files"]["float32"])
    module = module_of(reference)
    assert not module.training
    for name, value in module.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(value.numpy(), reference.arrays[name])
    broken = Reference({**reference.arrays, "head.bias": np.zeros(3, np.float32)}, reference.metadata)
    with pytest.raises(CosimError, match=r"do not fit the network.*head\.bias"):
        module_of(broken)
    with pytest.raises(CosimError, match="no such network"):
        module_of(Reference({}, metadata()))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["har_lstm", "fsdd_lstm"])
def test_shipped_weights_are_as_good_as_they_say(network: str) -> None:
    """The official test part, through torch: the accuracy in the file to the last example."""
    from cosim.datasets import fsdd, har
    from cosim.datasets.sources import present
    from cosim.networks.reference import shipped_reference
    from cosim.training.modules import module_of

    source, load = {"har_lstm": (har.SOURCE, har.load_har), "fsdd_lstm": (fsdd.SOURCE, fsdd.load_fsdd)}[network]
    if present(source) is None:
        pytest.skip(f"the data set '{source.name}' is not on this machine")
    reference = shipped_reference(network)
    part = load("test")
    assert reference.scaling is not None
    with torch.no_grad():
        answers = module_of(reference)(torch.from_numpy(reference.scaling.apply(part.inputs))).argmax(dim=1)
    # Another machine adds in another order: one example may lie on the edge.
    found = float((answers.numpy() == part.labels).mean())
    assert found == pytest.approx(reference.metadata.value, abs=1.5 / len(part))


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CosimError, match="finds no GPU"):
        train_reference("har_lstm", tmp_path, device="cuda", label=None)


def test_the_command(cosim: Callable[..., tuple[int, str, str]], toy_data: None) -> None:
    code, text, _ = cosim("train", "fsdd_lstm", "--epochs", "1", "--set", "hidden=4", "--device", "cpu", "--json")
    assert code == 0
    assert json.loads(text)["config"]["hidden"] == 4
    assert Path("fsdd_lstm_float16.safetensors").is_file()
    code, _, error = cosim("train", "fsdd_lstm", "--bits", "4")
    assert code == 2 and "--bits" in error
    code, _, error = cosim("train", "digits_lstm", "--minutes", "4")
    assert code == 2 and "--minutes" in error
