"""What the float references are made of: networks, inputs, steps of descent, bits per symbol."""

import math

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.networks.reference import InputScaling

torch = pytest.importorskip("torch", reason="PyTorch (extra `train`) is not installed")


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


def test_mean_of_the_states() -> None:
    """By hand: the linear layer of the mean; and nothing else is called pooling."""
    from cosim.training.modules import LstmClassifier

    torch.manual_seed(0)
    model = LstmClassifier(3, 5, 2, pooling="mean").eval()
    last = LstmClassifier(3, 5, 2).eval()
    last.load_state_dict(model.state_dict())
    sequences = torch.randn(4, 6, 3)
    with torch.no_grad():
        states = model.lstm(sequences)[0]
        torch.testing.assert_close(model(sequences), model.head(sum(states[:, step] for step in range(6)) / 6))
        torch.testing.assert_close(last(sequences), model.head(states[:, 5]))
    with pytest.raises(CosimError, match="pooling"):
        LstmClassifier(3, 5, 2, pooling="max")


def test_phone_worn_otherwise() -> None:
    """A turn keeps lengths and angles between the sensors' vectors; a stronger movement leaves gravity as it is."""
    from cosim.training.har_lstm import as_worn

    generator = torch.Generator().manual_seed(2)
    windows = torch.randn(50, 7, 9, generator=generator)

    def gram(values: torch.Tensor) -> torch.Tensor:
        """Inner products of all vectors of a window."""
        vectors = values.reshape(50, 21, 3)
        return vectors @ vectors.transpose(1, 2)

    turned = as_worn(windows, 40.0, 0.0, generator)
    torch.testing.assert_close(gram(turned), gram(windows), rtol=0, atol=2e-5)  # float32, values up to 30
    first, second = windows.reshape(50, 21, 3), turned.reshape(50, 21, 3)
    turns = torch.linalg.lstsq(first, second).solution
    assert torch.linalg.det(turns).sub(1).abs().max() < 1e-4  # no mirror
    # cos(angle) = (trace - 1) / 2; the mean of cos over N(0, s) is exp(-s^2 / 2)
    many = as_worn(torch.eye(3).reshape(1, 1, 9).repeat(20000, 1, 1), 40.0, 0.0, generator).reshape(20000, 3, 3)
    cosine = (torch.diagonal(many, dim1=1, dim2=2).sum(dim=1) - 1) / 2
    spread = float(cosine.std()) / math.sqrt(20000)
    assert float(cosine.mean()) == pytest.approx(math.exp(-(math.radians(40) ** 2) / 2), abs=4 * spread)
    stronger = as_worn(windows, 0.0, 0.5, generator)
    torch.testing.assert_close(
        stronger[..., 6:] - stronger[..., :3], windows[..., 6:] - windows[..., :3], rtol=0, atol=2e-5
    )
    ratios = stronger[..., :6] / windows[..., :6]
    torch.testing.assert_close(ratios, ratios[:, :1, :1].expand(50, 7, 6), rtol=1e-4, atol=0)
    assert float(ratios[:, 0, 0].log().std()) == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(100))
    assert torch.equal(as_worn(windows, 0.0, 0.0, generator), windows)


def test_folds_of_subjects() -> None:
    """Each subject is held out once, whole."""
    from cosim.training.har_lstm import FOLDS, fold_of

    groups = np.random.default_rng(3).integers(1, 22, 400)
    apart = []
    for fold in range(1, FOLDS + 1):
        rest, out = fold_of(groups, fold)
        assert sorted([*rest, *out]) == list(range(400))
        assert not set(groups[rest]) & set(groups[out])
        assert 4 <= len(set(groups[out])) <= 5
        apart.extend(out)
    assert sorted(apart) == list(range(400))
    with pytest.raises(CosimError, match="fewer subjects"):
        fold_of(groups % 4, 1)


def test_full_scale_of_channels() -> None:
    from cosim.training.sequence_lstm import scaling_of

    values = np.random.default_rng(4).normal([1.0, -2.0], [0.5, 3.0], (200, 10, 2)).astype(np.float32)
    scaling = scaling_of(values, np.array([3.0, 1.0]))
    np.testing.assert_allclose(scaling.scale, values.reshape(-1, 2).astype(float).std(axis=0) * [3, 1], rtol=1e-9)
    assert np.abs(scaling.apply(values)).max() == 1.0
