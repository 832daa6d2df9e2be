"""Compute the features of new rows with the backbone of a finished run, or of a saved model.

The file is as for `supremix predict`. The features are written as .npy, (rows, features) float32.
"""

import argparse
from pathlib import Path

from supremix.cli import options as shared

EXAMPLES = """\
  supremix embed runs/3f2a9c0b1d2e4f55 new.csv -o features.npy"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    shared.add_model(parser)
    shared.add_rows(parser)
    parser.add_argument("-o", "--out", type=Path, metavar="OUT", required=True, help="the .npy file to write")
    shared.add_store(parser)


def run(options: argparse.Namespace) -> int:
    """Write the features. Returns the exit code."""
    import numpy as np

    from supremix.errors import writing_to

    model = shared.model_of(options)
    features_ND = model.embed(shared.rows_of(options.file, model))
    with writing_to(options.out, "name another file, or make space"), options.out.open("wb") as file:
        np.save(file, features_ND)
    rows, width = features_ND.shape
    print(f"{options.out}: {rows} rows, {width} features")
    return 0
