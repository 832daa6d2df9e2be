"""Write a finished run as a model folder to take away: config.json, safetensors, a model card; on request a graph.

`supremix.load(folder)` and `supremix predict` read the folder. --to onnx adds model.onnx and --to torch model.pt2: the
network for any number of rows, from what `model.inputs(rows)` returns to "prediction", in label units, and "features".
The graph's outputs are compared with the network's.
"""

import argparse
import shutil
from pathlib import Path

from supremix.cli import options as shared

EXAMPLES = """\
  supremix export runs/3f2a9c0b1d2e4f55 -o my-model
  supremix export 3f2a -o my-model --to onnx
  supremix export 3f2a -o my-model --to torch --head ridge"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    shared.add_model(parser)
    parser.add_argument("-o", "--out", type=Path, metavar="DIR", required=True, help="the new folder")
    parser.add_argument("--to", choices=("onnx", "torch"), help="write the network as a graph too")
    shared.add_head(parser)
    shared.add_store(parser)


def run(options: argparse.Namespace) -> int:
    """Write the folder. Returns the exit code."""
    model = shared.model_of(options)
    model.check_head(options.head)
    folder = model.save(options.out)
    if options.to is not None:
        from supremix.inference.export import FILES, export

        try:
            difference = export(model, options.to, folder, options.head)
        except BaseException:
            shutil.rmtree(folder)
            raise
        print(f"{folder / FILES[options.to]}: outputs within {difference:.1g} of their spread of the network's")
    print(f"{folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    return 0
