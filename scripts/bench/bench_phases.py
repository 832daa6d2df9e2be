"""Where the time of a contrastive step goes on a GPU, and how far it is from what the GPU can compute.

The step of the face runs: 128 images of 224², two views of each, ResNet-50 with its projection head in bfloat16 with
channels innermost, SupReMix, Adam. Phases are timed with a wait between them; the step as a whole without.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from supremix.losses import SupReMixLoss
from supremix.models.acceleration import lay_out
from supremix.models.heads import FaceProjectionHead
from supremix.models.resnet2d import ResNet2d
from supremix.settings.build import build
from supremix.settings.compose import CONF, composed

ITEMS, PIXELS, WIDTH = 128, 224, 64
STEPS = 20
SQUARE = 8192
"""Side of the matrices whose product tells the peak."""


class Step:
    """The phases of a step, to be called in their order."""

    phases = ("views", "forward", "loss", "backward", "optimiser")

    def __init__(self, device: torch.device, items: int, pixels: int, width: int) -> None:
        torch.manual_seed(0)
        self.device = device
        backbone = ResNet2d(50, width)
        lay_out(backbone)
        self.model = nn.Sequential(backbone, FaceProjectionHead(backbone.out_dim, 32 * width, 128)).to(device)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3, fused=True)
        self.criterion = SupReMixLoss(temperature=0.5, window=5.0, label_range=89.0, reduction="label_sum")
        self.images = torch.randint(256, (items, 3, pixels, pixels), dtype=torch.uint8).to(device)
        self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.augment = build("dataset.load.views", composed(CONF, ["dataset=agedb_dir"]).dataset.load.views)
        self.y_N = torch.randint(90, (items,)).float().to(device).repeat(2)

    def views(self) -> None:
        uniforms = (torch.rand(len(self.images), self.augment.draws) for _ in range(2))
        self.x = torch.cat([self.augment(self.images, u_BP.to(self.device)) for u_BP in uniforms])

    def forward(self) -> None:
        with torch.autocast(self.device.type, torch.bfloat16):
            self.z_ND: Tensor = self.model(self.x)

    def loss(self) -> None:
        self.value: Tensor = self.criterion(self.z_ND, self.y_N)

    def backward(self) -> None:
        self.value.backward()

    def optimiser(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds until the device is done."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def peak_flops(device: torch.device, square: int) -> float:
    """Floating-point operations a second of a bfloat16 matrix product, the best of ten."""
    a, b = (torch.randn(square, square, device=device, dtype=torch.bfloat16) for _ in range(2))
    torch.mm(a, b)
    return 2 * square**3 / min(seconds(lambda: torch.mm(a, b), device) for _ in range(10))


def measure_phases(
    device: torch.device, items: int = ITEMS, pixels: int = PIXELS, width: int = WIDTH, square: int = SQUARE
) -> dict:
    """Median seconds of each phase and of the step, the shares, and the share of the peak that the network reaches."""
    step = Step(device, items, pixels, width)

    def whole() -> None:
        for phase in step.phases:
            getattr(step, phase)()

    def several() -> None:
        for _ in range(STEPS):
            whole()

    with FlopCounterMode(display=False) as counter:
        whole()
    several()  # warm
    taken = {phase: [] for phase in step.phases}  # type: dict[str, list[float]]
    for _ in range(STEPS):
        for phase, values in taken.items():
            values.append(seconds(getattr(step, phase), device))
    by_phase = {phase: statistics.median(values) for phase, values in taken.items()}
    step_seconds = seconds(several, device) / STEPS
    peak = peak_flops(device, square)
    network = by_phase["forward"] + by_phase["backward"]
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "rows": len(step.y_N),
        "phase_seconds": by_phase,
        "step_seconds": step_seconds,
        "images_per_second": len(step.y_N) / step_seconds,
        "loss_share": by_phase["loss"] / step_seconds,
        "teraflops_of_a_step": counter.get_total_flops() / 1e12,
        "peak_teraflops_per_second": peak / 1e12,
        "share_of_peak": {
            "network": counter.get_total_flops() / network / peak,
            "step": counter.get_total_flops() / step_seconds / peak,
        },
        "torch": torch.__version__,
    }


def table(measured: dict) -> str:
    """The measurement as text."""
    step, share = measured["step_seconds"], measured["share_of_peak"]
    return "\n".join(
        [
            f"Contrastive step of ResNet-50, {measured['rows']} rows, bfloat16, {measured['device']}",
            *(
                f"  {phase:13s} {taken * 1e3:10.2f} ms  {taken / step:6.1%}"
                for phase, taken in measured["phase_seconds"].items()
            ),
            f"  step          {step * 1e3:10.2f} ms  {measured['images_per_second']:.0f} views a second",
            f"  of the peak, {measured['peak_teraflops_per_second']:.0f} Tflop/s by a matrix product: "
            f"forward and backward {share['network']:.0%}, the step {share['step']:.0%}",
        ]
    )
