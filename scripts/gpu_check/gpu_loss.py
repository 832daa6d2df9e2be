"""Time and memory of the losses on a device, forward and backward."""

from collections.abc import Callable
from typing import Any

import torch
from gpu_report import Report
from gpu_timing import milliseconds, peak_memory, seconds, start_memory
from torch import Tensor

from supremix.losses import SupConLoss, SupCRLoss, SupReMixLoss

WIDTH = 128
SIZES = {"full": (256, 512, 1024, 4096), "tiny": (16, 32)}
MOST_MS = 1.5
"""Goal at 256 rows."""
ROUNDS = 20
MOST_SECONDS = 1.0
"""Of a pass: a loss is not measured at larger sizes than the first that takes longer."""


def criteria() -> dict[str, Callable[..., Tensor]]:
    """Return the losses of the face runs by name."""
    return {
        "SupReMix": SupReMixLoss(temperature=0.5, window=5.0, label_range=89.0, reduction="label_sum"),
        "SupCon": SupConLoss(temperature=0.5),
        "SupCR": SupCRLoss(temperature=2.0),
    }


def pass_of(criterion: Callable[..., Tensor], rows: int, device: torch.device, **given: Any) -> Callable[[], None]:
    """Return a call of the loss forward and backward, on ages from 0 to 89 that are on the host as in training."""
    draw = torch.Generator().manual_seed(0)
    z_ND = torch.randn(rows, WIDTH, generator=draw).to(device).requires_grad_()
    y_N = torch.randint(90, (rows,), generator=draw).double()

    def both() -> None:
        z_ND.grad = None
        criterion(z_ND, y_N, **given).backward()

    return both


def measure(report: Report, section: str, device: torch.device, size: str) -> None:
    """Measure the losses at the first size in detail, then each at growing sizes until one takes too long."""
    first, *larger = SIZES[size]
    losses = criteria()
    for name in losses:
        with report.attempt(f"{name} at {first} rows"):
            alone = timed(report, section, name, first, device)
            if name == "SupReMix":
                report.goal(f"SupReMix, {first} rows, forward and backward, ms", alone, most=MOST_MS)
    with report.attempt("given mixing weights"):
        lam_NN = torch.rand(first, first, device=device)
        alone, in_a_row = milliseconds(pass_of(losses["SupReMix"], first, device, lam_NN=lam_NN), device, ROUNDS)
        report.add(section, f"SupReMix, {first} rows, λ given", ms=alone, ms_in_a_row=in_a_row)
    with report.attempt("profile"):
        profile(report, section, device, first)
    for name in losses:
        for rows in larger:
            with report.attempt(f"{name} at {rows} rows"):
                once = seconds(pass_of(losses[name], rows, device, **draws_of(name, device)), device)
                if once > MOST_SECONDS:
                    report.add(section, f"{name}, {rows} rows, once", ms=once * 1e3)
                    break
                timed(report, section, name, rows, device, ROUNDS if once < MOST_SECONDS / 100 else 2)


def timed(report: Report, section: str, name: str, rows: int, device: torch.device, rounds: int = ROUNDS) -> float:
    """Report a loss's time and memory at a size; return the milliseconds of a pass on its own."""
    before = start_memory(device)
    both = pass_of(criteria()[name], rows, device, **draws_of(name, device))
    alone, in_a_row = milliseconds(both, device, rounds)
    report.add(section, f"{name}, {rows} rows", ms=alone, ms_in_a_row=in_a_row, peak_mb=peak_memory(device) - before)
    return alone


def draws_of(name: str, device: torch.device) -> dict[str, Any]:
    """Return what the loss of this name draws from."""
    return {"generator": torch.Generator(device).manual_seed(0)} if name == "SupReMix" else {}


def profile(report: Report, section: str, device: torch.device, rows: int) -> None:
    """Count the kernels of each loss, and print which operations take the time of the first."""
    from torch.profiler import ProfilerActivity, profile

    for name, criterion in criteria().items():
        both = pass_of(criterion, rows, device)
        both()
        with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA][: 1 + (device.type == "cuda")]) as seen:
            both()
            if device.type == "cuda":
                torch.cuda.synchronize()
        kernels = [event for event in seen.events() if event.device_type == torch.autograd.DeviceType.CUDA]
        busy = sum(event.device_time_total for event in kernels) / 1e3
        report.add(section, f"{name}, {rows} rows, profile", kernels=len(kernels), kernel_ms=busy)
        if name == "SupReMix":
            by = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
            print(seen.key_averages().table(sort_by=by, row_limit=12, max_name_column_width=60), flush=True)
