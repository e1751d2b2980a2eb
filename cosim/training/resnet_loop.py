"""Training and test of the CIFAR ResNet: images on the device, augmentation there, one CUDA graph a step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cosim.training.hardware import Schedule

PAD = 4  # pixels around an image before the random crop, as in He et al.
CHUNK = 8192  # images augmented at once


@dataclass
class Images:
    """Images on the device.

    padded: uint8, shape (n, 32 + 2 PAD, 32 + 2 PAD, 3); the border has the mean colour, which becomes 0.
    labels: int64, shape (n,).
    mean, scale: shape (3,), in grey levels.
    """

    padded: Tensor
    labels: Tensor
    mean: Tensor
    scale: Tensor

    @classmethod
    def on(cls, device: torch.device, images: Any, labels: Any, mean: Any, scale: Any) -> Images:
        """From NumPy arrays: images uint8 (n, 3, 32, 32), labels int64 (n,), mean and scale (3,)."""
        plain = torch.from_numpy(images).to(device).permute(0, 2, 3, 1)
        count, side, _, _ = plain.shape
        mean = torch.tensor(mean, dtype=torch.float32, device=device)
        padded = mean.round().to(torch.uint8).repeat(count, side + 2 * PAD, side + 2 * PAD, 1)
        padded[:, PAD : PAD + side, PAD : PAD + side] = plain
        scale = torch.tensor(scale, dtype=torch.float32, device=device)
        return cls(padded, torch.from_numpy(labels).to(device), mean, scale)

    def inputs(self, places: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Network inputs (m, 3, 32, 32), channels last; with a generator randomly cropped and mirrored."""
        count, side = len(places), self.padded.shape[1] - 2 * PAD
        line = torch.arange(side, device=places.device)
        if generator is None:
            down = across = (line + PAD).expand(count, side)
        else:
            device = places.device
            shifts = torch.randint(0, 2 * PAD + 1, (2, count, 1), generator=generator, device=device)
            mirrored = torch.rand(count, 1, generator=generator, device=device) < 0.5
            down = line + shifts[0]
            across = torch.where(mirrored, line.flip(0), line) + shifts[1]
        cropped = self.padded[places[:, None, None], down[:, :, None], across[:, None, :]]
        return ((cropped.float() - self.mean) / self.scale).permute(0, 3, 1, 2)


class Stepper:
    """One step of stochastic gradient descent; on a GPU recorded once as a CUDA graph and replayed.

    Attributes
    ----------
    loss, right: sums over the steps since `reset`, on the device.
    graphed: whether steps are replayed.
    """

    def __init__(
        self, model: nn.Module, batch: int, example: Tensor, momentum: float, weight_decay: float, graph: bool = True
    ) -> None:
        device = example.device
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.num_batches_tracked = None  # not needed with a fixed momentum, and a launch a layer and step
        self.model = model
        self.cuda = device.type == "cuda"
        self.inputs = example[:1].repeat(batch, 1, 1, 1).to(memory_format=torch.channels_last)
        self.labels = torch.zeros(batch, dtype=torch.int64, device=device)
        self.rate = torch.zeros((), device=device)
        self.loss = torch.zeros((), device=device)
        self.right = torch.zeros((), dtype=torch.int64, device=device)
        # A fused step takes its rate from a tensor, so that a recorded graph sees it change.
        self.optimiser = torch.optim.SGD(
            model.parameters(),
            lr=self.rate,
            momentum=momentum,
            weight_decay=weight_decay,
            nesterov=momentum > 0,
            fused=True,
        )
        self.rate = self.optimiser.param_groups[0]["lr"]
        self.graph: Any = None
        if self.cuda and graph:
            self._record()

    @property
    def graphed(self) -> bool:
        return self.graph is not None

    def reset(self) -> None:
        self.loss.zero_()
        self.right.zero_()

    def __call__(self, inputs: Tensor, labels: Tensor, rate: float) -> None:
        self.inputs.copy_(inputs)
        self.labels.copy_(labels)
        self.rate.fill_(rate)
        if self.graph is not None:
            self.graph.replay()
        else:
            self._step()

    def _step(self) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.inputs.device.type, dtype=torch.bfloat16, enabled=self.cuda, cache_enabled=False):
            logits = self.model(self.inputs)
        logits = logits.float()
        loss = cross_entropy(logits, self.labels)
        loss.backward()
        self.optimiser.step()
        self.loss += loss.detach()
        self.right += (logits.detach().argmax(dim=1) == self.labels).sum()

    def _record(self) -> None:
        """Record the graph; steps before it run at rate 0, and what else they change is put back."""
        state = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.rate.zero_()
        try:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(4):
                    self._step()
            torch.cuda.current_stream().wait_stream(side)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            self.optimiser.zero_grad(set_to_none=True)
            with torch.cuda.graph(graph):
                self._step()
            self.graph = graph
        except RuntimeError as error:
            print(f"steps are not recorded as a CUDA graph, which makes them slower: {error}", file=sys.stderr)
            torch.cuda.synchronize()
        with torch.no_grad():
            for name, value in self.model.state_dict().items():
                value.copy_(state[name])
            for slots in self.optimiser.state.values():
                if slots.get("momentum_buffer") is not None:
                    slots["momentum_buffer"].zero_()
        self.reset()


def run_epochs(
    step: Stepper,
    images: Images,
    schedule: Schedule,
    generator: torch.Generator,
    told: Callable[[dict[str, float]], object],
) -> list[dict[str, float]]:
    """Train until the schedule is finished; an epoch shows each image once, but for the rest of a batch.

    Returns a row an epoch: "epoch", "rate" at its end, "loss", "accuracy" (of the augmented training images, while
    they are learnt), "seconds". `told` gets each row.
    """
    batch = len(step.labels)
    steps = len(images.labels) // batch
    curve: list[dict[str, float]] = []
    step.model.train()
    while not schedule.finished:
        step.reset()
        order = torch.randperm(len(images.labels), generator=generator, device=images.labels.device)
        order = order[: steps * batch]
        number = 0
        for some in order.split(max(CHUNK // batch, 1) * batch):
            inputs = images.inputs(some, generator)
            labels = images.labels[some]
            for at in range(0, len(some), batch):
                rate = schedule.rate(number / steps)
                step(inputs[at : at + batch], labels[at : at + batch], rate)
                number += 1
        shown = steps * batch
        loss, right = float(step.loss) / steps, int(step.right) / shown  # waits for the device
        schedule.epoch_done()
        row = {"epoch": schedule.done, "rate": rate, "loss": loss, "accuracy": right, "seconds": schedule.times[-1]}
        curve.append(row)
        told(row)
        if not loss < 100:  # NaN or far off: more epochs mend nothing
            break
    return curve


@torch.no_grad()
def right_answers(model: nn.Module, images: Images, batch: int = 500) -> Tensor:
    """bool, shape (n,): which images the model gets right, in float32 without TF32, without augmentation."""
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    model.eval()
    try:
        everything = torch.arange(len(images.labels), device=images.labels.device)
        answers = [model(images.inputs(some)).argmax(dim=1) for some in everything.split(batch)]
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32
    return torch.cat(answers) == images.labels
