"""Measure the loss and the training step, each as a ratio against its plain counterpart in the same run."""

import argparse
import json
from pathlib import Path


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="repetitions of each pair (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("results/bench/bench.json"), help="JSON (%(default)s)")
    options = parser.parse_args()

    import torch
    from bench_loss import measure_loss
    from bench_loss import table as loss_table
    from bench_step import measure_step
    from bench_step import table as step_table

    torch.set_num_threads(1)
    measured = {"loss": measure_loss(128, 128, options.rounds)}
    print(loss_table(measured["loss"]), flush=True)
    measured["step"] = measure_step(options.rounds)
    print(step_table(measured["step"]))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(measured, indent=2) + "\n")
    print(f"{options.out}")


if __name__ == "__main__":
    main()
