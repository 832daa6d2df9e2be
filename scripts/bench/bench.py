"""Measure losses, training step, probe, input and a run, most as ratios to a plain counterpart in the same run."""

import argparse
import json
from pathlib import Path
from typing import Any


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each pair (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/bench/bench.json"), help="JSON (%(default)s)")
    options = parser.parse_args()

    import bench_goals

    print("A run of SupReMix on UCI-airfoil, about a minute: see the goals at the end", flush=True)
    measured: dict[str, Any] = {"fit": bench_goals.measure_fit()}  # before what is large is loaded
    import bench_cost
    import bench_input
    import bench_loss
    import bench_probe
    import bench_step
    import torch

    torch.set_num_threads(1)
    measured["loss"] = bench_loss.measure_loss(128, 128, options.rounds)
    print(bench_loss.table("SupReMix", "materialised", measured["loss"]), flush=True)
    measured["batches"] = bench_loss.measure_batches(128, options.rounds)
    print(bench_loss.batches_table(measured["batches"]), flush=True)
    measured["supcr"] = bench_loss.measure_supcr(512, 128, options.rounds)
    print(bench_loss.table("SupCR", "column loop", measured["supcr"]), flush=True)
    measured["cost"] = bench_cost.measure_cost(options.rounds)
    print(bench_cost.table(measured["cost"]), flush=True)
    measured["step"] = bench_step.measure_step(3 * options.rounds)
    print(bench_step.table(measured["step"]), flush=True)
    measured["probe"] = bench_probe.measure_probe(options.rounds)
    print(bench_probe.table(measured["probe"]), flush=True)
    measured["input"] = bench_input.measure_input(options.rounds)
    print(bench_input.table(measured["input"]), flush=True)
    measured["goals"] = bench_goals.goals(measured)
    print(bench_goals.table(measured), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(measured, indent=2) + "\n")
    bench_cost.draw(measured["cost"], options.out.with_name("cost"))
    print(f"{options.out}, {options.out.with_name('cost.png')} and .svg")


if __name__ == "__main__":
    main()
