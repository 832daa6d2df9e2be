"""How time and memory of the losses grow with the batch: a table and a picture on logarithmic axes."""

import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import torch
from bench_loss import AGES, WINDOW, batch, forward_backward, materialised_loss, seconds, supremix

D = 128
SIZES = (64, 128, 256, 512, 1024, 2048, 4096)
MATERIALISED = (64, 96, 128)
"""Beyond, the mixtures alone take more than the 16 GB of a small machine: 26 GB at N = 256."""
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def step_seconds(n: int, built: bool, repeats: int) -> float:
    """Median CPU seconds of forward and backward, after a first one; λ drawn unless every mixture is ``built``."""
    z_ND, y_N, lam_NN = batch(n, D)
    criterion = supremix()

    def step() -> None:
        if built:
            forward_backward(lambda z: materialised_loss(z, y_N, lam_NN, 0.5, WINDOW, AGES - 1.0), z_ND)
        else:
            forward_backward(lambda z: criterion(z, y_N), z_ND)

    step()
    return statistics.median(seconds(step, repeats))


def peak_megabytes(n: int, window: float) -> float | None:
    """Most memory of a forward and backward pass above its inputs, in MB; None where the system does not tell.

    It is the process's high-water mark of resident memory, set back just before: run it in a process of its own.
    """
    torch.set_num_threads(1)
    forward_backward(lambda z: supremix()(z, batch(8, D)[1]), batch(8, D)[0])  # loads what the first call loads
    z_ND, y_N, _ = batch(n, D)
    try:
        CLEAR.write_text("5")
        before = resident("VmRSS")
    except OSError:
        return None
    forward_backward(lambda z: supremix(window)(z, y_N), z_ND)
    return resident("VmHWM") - before


def resident(field: str) -> float:
    """A line of the process's status, in MB."""
    return next(float(line.split()[1]) for line in STATUS.read_text().splitlines() if line.startswith(field)) / 1e3


def measure_cost(rounds: int) -> dict:
    """Seconds by N of both versions, and peak memory where there is a bound to keep."""
    taken = {n: step_seconds(n, False, max(3, min(20 * rounds, 4000 // n))) for n in SIZES}
    built = {n: step_seconds(n, True, 3) for n in MATERIALISED}
    peaks = []
    for n, window in ((1024, WINDOW), (4096, WINDOW), (512, float("inf"))):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            peaks.append({"n": n, "window": str(window), "megabytes": fresh.submit(peak_megabytes, n, window).result()})
    return {"d": D, "window": WINDOW, "seconds": taken, "materialised_seconds": built, "peaks": peaks}


def table(measured: dict) -> str:
    """Times by N and peaks as text."""
    lines = [f"SupReMix by batch size, d = {measured['d']}, window {measured['window']:g}, λ drawn, CPU time of a step"]
    for n, taken in measured["seconds"].items():
        built = measured["materialised_seconds"].get(n)
        lines.append(
            f"  N = {n:4d}      {taken * 1e3:10.2f} ms" + (f"   built {built * 1e3:10.2f} ms" if built else "")
        )
    for peak in measured["peaks"]:
        shown = "not reported by this system" if peak["megabytes"] is None else f"{peak['megabytes']:10.0f} MB"
        lines.append(f"  N = {peak['n']:4d}, window {peak['window']:3s}: {shown} above the inputs at most")
    return "\n".join(lines)


def draw(measured: dict, path: Path) -> None:
    """Seconds of a step against N, logarithmic on both axes; PNG and SVG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator

    from supremix.figures.canvas import STYLES, save

    picture = Figure(figsize=(4.8, 3.4))
    axis = picture.subplots()
    series = {"every mixture built": measured["materialised_seconds"], "SupReMix, one pass": measured["seconds"]}
    for style, (name, taken) in zip((STYLES[1], STYLES[0]), series.items(), strict=True):
        axis.plot(list(taken), list(taken.values()), label=name, **style)
    axis.set(xscale="log", yscale="log", xlabel="rows of the batch, N", ylabel="forward + backward (s)")
    axis.set_xticks(SIZES, [str(n) for n in SIZES])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    save(picture, path, synthetic=False)
