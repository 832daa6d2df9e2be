"""Training at full size on synthetic data, by the package's own pre-training: speed, shares of a step, memory."""

import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gpu_data
import torch
from gpu_report import Report
from gpu_timing import milliseconds, peak_flops, peak_memory, seconds, start_memory, step_flops
from omegaconf import DictConfig
from torch import Tensor, nn

from supremix.data.dataset import Data
from supremix.models.acceleration import accelerate
from supremix.runtime import ranks
from supremix.runtime.seeding import repeatable
from supremix.settings.build import build, contrastive_loss
from supremix.settings.check import settings_of
from supremix.settings.compose import CONF, composed
from supremix.training.batches import Items, Stream, apply, batches_of
from supremix.training.loop import Hooks
from supremix.training.pretrain import Pretraining, drawing, pretrain

SIDE = {"full": 8192, "tiny": 128}
"""Of the matrices whose product tells the peak."""
LOSS_SHARE, RATIO, WAITED = 0.03, 0.8, 0.03
"""Goals: the loss's share of a step, a bare loop's time over ours, the share of a step that waits for reading."""
EPOCHS = 3
"""That are trained for a figure; the first one warms up and does not count."""


@dataclass(frozen=True)
class Case:
    """A network at a size: its overrides, and what makes its data of a folder and the config."""

    overrides: list[str]
    data: Callable[[Path, DictConfig], Data]


CASES = {
    ("resnet50", "full"): Case(["dataset=agedb_dir"], lambda folder, cfg: gpu_data.faces(folder, 4096, 2048, 224, cfg)),
    ("resnet18_3d", "full"): Case(["dataset=ukb"], lambda folder, cfg: gpu_data.volumes(folder, 1024, 256, 100, cfg)),
    ("bilstm", "full"): Case(
        ["dataset=stsb_dir_full"], lambda folder, cfg: gpu_data.sentences(folder, 4096, 5000, 40, cfg)
    ),
    ("resnet50", "tiny"): Case(
        ["dataset=agedb_dir", "dataset.recipe.backbone.width=8", "method.pretrain.batch_size=8"],
        lambda folder, cfg: gpu_data.faces(folder, 16, 8, 32, cfg),
    ),
    ("resnet18_3d", "tiny"): Case(
        ["dataset=ukb", "dataset.recipe.backbone.width=4", "method.pretrain.batch_size=4"],
        lambda folder, cfg: gpu_data.volumes(folder, 8, 8, 12, cfg),
    ),
    ("bilstm", "tiny"): Case(
        ["dataset=stsb_dir", "dataset.recipe.backbone.hidden=8", "method.pretrain.batch_size=8"],
        lambda folder, cfg: gpu_data.sentences(folder, 16, 50, 9, cfg),
    ),
}
OTHERS = {
    "resnet50": {"float32": ["trainer.precision=32-true"]},
    "resnet18_3d": {"two views": ["method.pretrain.views=2"]},
    "bilstm": {"float32": ["trainer.precision=32-true"]},
}
"""Other settings to train a network with."""


def configuration(case: Case, device: torch.device, *overrides: str) -> DictConfig:
    """Return the config of a run of the case in bfloat16, changed by overrides."""
    common = ["method=supremix", "tracking=none", "trainer.precision=bf16-mixed", f"trainer.accelerator={device.type}"]
    return composed(CONF, [*case.overrides, *common, f"method.pretrain.epochs={EPOCHS}", *overrides])


class Training:
    """A network with its loss, as a run's config makes them, on one device.

    Args:
        cfg: the config.
        data: what it trains on.
    """

    def __init__(self, cfg: DictConfig, data: Data) -> None:
        self.settings, self.data = settings_of(cfg), data
        self.method, trainer = self.settings.contrastive, self.settings.trainer
        self.batch, self.views = self.method.pretrain.batch_size, self.method.pretrain.views
        self.criterion = contrastive_loss(self.method, data)
        self.fabric = ranks.fabric(trainer.accelerator, trainer.precision)
        self.device = self.fabric.device
        torch.manual_seed(0)
        self.backbone: Any = build("backbone.build", self.settings.backbone.build, **data.input_spec)
        accelerate(self.backbone, self.device, trainer.channels_last, trainer.compile)
        width = self.backbone.out_dim
        self.projection: nn.Module = build("method.projection", self.method.projection, in_features=width)

    def step_seconds(self, data: Data) -> float:
        """Pre-train; return the median seconds of a step, over the epochs after the first."""
        ends: list[float] = []
        optimizer = build("method.pretrain.optimizer", self.method.pretrain.optimizer)
        objects = Pretraining(self.backbone, self.projection, self.criterion, optimizer)
        hooks = Hooks(lambda epoch, row: ends.append(time.perf_counter()), log_every=self.settings.trainer.log_every)
        pretrain(self.fabric, data, objects, self.method, 0, hooks)
        steps = -(-len(data.train) // self.batch)
        return statistics.median(after - before for before, after in itertools.pairwise(ends)) / steps

    def first_batch(self) -> tuple[Any, Tensor]:
        """Return the first batch as training makes it: inputs on the device, labels on the host."""
        data = self.data
        augment = data.contrastive_views if self.views > 1 else None
        y_N = data.training_labels(self.method.labels)
        items = Items(data.train, y_N, data.to_input, augment, self.views, labels_on=torch.device("cpu"))
        return next(batches_of(items, self.batch, Stream(0, "pretrain"), self.device)(1))

    def loss_seconds(self, y_N: Tensor) -> float:
        """Return the seconds of the loss, forward and backward, one of several in a row."""
        z_ND = torch.randn(len(y_N), 128, device=self.device).requires_grad_()
        objective = drawing(self.criterion, torch.Generator(self.device).manual_seed(0))
        return milliseconds(lambda: objective(z_ND, y_N).backward(), self.device, 20)[1] / 1e3


def measure(report: Report, section: str, device: torch.device, size: str) -> None:
    """Train a network from disk, from a batch on the device and with a batch's views held, and compare."""
    repeatable(False)
    if section == "compiled":
        backend = "inductor" if device.type == "cuda" else "eager"
        case, others = CASES["resnet50", size], {"ResNet-50 in bfloat16": [f"trainer.compile={backend}"]}
    else:
        case, others = CASES[section, size], OTHERS[section]
    with tempfile.TemporaryDirectory() as folder:
        cfg = configuration(case, device)
        data = case.data(Path(folder), cfg)
        if section != "compiled":
            training = Training(cfg, data)
            with report.attempt("speed"):
                speed(report, section, training, SIDE[size])
            with report.attempt("features"):
                features(report, section, training)
        for name, overrides in others.items():
            with report.attempt(name):
                other = Training(configuration(case, device, *overrides), data)
                before = start_memory(device)
                step = other.step_seconds(data)
                memory = peak_memory(device) - before
                report.add(section, name, items_a_second=other.batch / step, step_ms=step * 1e3, peak_mb=memory)


def speed(report: Report, section: str, training: Training, side: int) -> None:
    """Measure a step, what it consists of, and how far it is from what the device can compute."""
    data, device, batch = training.data, training.device, training.batch
    x, y_N = training.first_batch()
    before = start_memory(device)
    full = training.step_seconds(data)
    memory = peak_memory(device) - before
    report.add(section, "bfloat16", items_a_second=batch / full, step_ms=full * 1e3, peak_mb=memory)
    held = training.step_seconds(gpu_data.held(data, x, device))
    viewed = training.step_seconds(gpu_data.resident(data, batch, device)) if training.views > 1 else held
    loss = training.loss_seconds(y_N)
    report.add(section, "share of a step", loss=loss / full, reading=1 - viewed / full,
               views=(viewed - held) / full, model=(held - loss) / full)  # fmt: skip
    report.goal(f"{section}: share of a step that waits for reading", 1 - viewed / full, most=WAITED)
    if section == "resnet50":
        report.goal(f"{section}: the loss's share of a step", loss / full, most=LOSS_SHARE)
        with report.attempt("bare loop"):
            bare = bare_loop(report, section, training, x, full, held)
            report.goal(f"{section}: a bare loop's step over ours", bare / full, least=RATIO)
    peak = peak_flops(device, side)
    with report.attempt("operations of a step"):
        flops = step_flops(nn.Sequential(training.backbone, training.projection), x, device)
        report.add(section, "share of the bfloat16 peak", step=flops / full / peak, model=flops / (held - loss) / peak,
                   step_tflop=flops / 1e12, peak_tflops=peak / 1e12)  # fmt: skip


def bare_loop(report: Report, section: str, training: Training, x: Tensor, full: float, held: float) -> float:
    """Train torchvision's network on one batch with nothing around it; return the seconds of a step.

    Width, precision and layout are those of the training; the objective is a mean of squares.
    """
    from torchvision.models.resnet import Bottleneck, ResNet

    device, steps = training.device, 10
    width = training.backbone.conv1.out_channels
    bare = training.backbone if width != 64 else ResNet(Bottleneck, [3, 4, 6, 3])
    if width == 64:
        bare.fc = build("method.projection", training.method.projection, in_features=2048)
    bare = bare.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(bare.parameters(), lr=1e-3, fused=True)
    x = x.contiguous(memory_format=torch.channels_last)

    def loop() -> None:
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16):
                output = bare(x)
            output.float().square().mean().backward()
            optimizer.step()

    times = {}
    for benchmark in (True, False):
        torch.backends.cudnn.benchmark = benchmark
        loop()
        times[benchmark] = statistics.median(seconds(loop, device) for _ in range(3)) / steps
    report.add(section, "bare torchvision loop", step_ms=times[False] * 1e3, ratio=times[False] / full,
               ratio_without_input=times[False] / held, step_ms_cudnn_benchmark=times[True] * 1e3)  # fmt: skip
    return times[False]


def features(report: Report, section: str, training: Training) -> None:
    """Measure how fast the frozen network reads and encodes rows, as for a linear probe."""
    data, device = training.data, training.device
    part = replace(data.train, ids=data.train.ids[:1024], y=data.train.y[:1024])

    def encode() -> None:
        apply(training.backbone, part, training.batch, device, data.to_input)

    encode()
    report.add(section, "features, float32", items_a_second=len(part) / seconds(encode, device))
