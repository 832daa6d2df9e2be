"""Predict the labels of new rows with a finished run, or with a saved model.

The file is a table with the columns of the training file, read as training reads it; other columns are kept. Where it
has the label too, the error is shown. Arrays, as the paper's datasets have them, come in .npy.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from supremix.cli import options as shared
from supremix.runtime.terminal import shown

if TYPE_CHECKING:
    import numpy as np

    from supremix.inference.model import Model

EXAMPLES = """\
  supremix predict runs/3f2a9c0b1d2e4f55 new.csv -o predictions.csv
  supremix predict 3f2a new.csv -o predictions.csv --head ridge     the probe in closed form
  supremix predict 3f2a faces.npy -o predictions.csv
  supremix predict my-model new.csv -o predictions.csv              a folder that supremix export wrote"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    shared.add_model(parser)
    shared.add_rows(parser)
    parser.add_argument("-o", "--out", type=Path, metavar="OUT", required=True, help="the CSV to write")
    shared.add_head(parser)
    shared.add_store(parser)


def run(options: argparse.Namespace) -> int:
    """Write the predictions. Returns the exit code."""
    import numpy as np
    import pandas as pd

    from supremix.errors import UserError, writing_to

    model = shared.model_of(options)
    if options.out.resolve() == options.file.resolve():
        raise UserError(f"{options.out}: the file with the rows, which would be replaced: name another by -o")
    rows = shared.rows_of(options.file, model)
    prediction_N = model.predict(rows, options.head)
    numbered = {"row": np.arange(1, len(prediction_N) + 1)}
    table = rows.copy() if isinstance(rows, pd.DataFrame) else pd.DataFrame(numbered)
    names = [f"predicted_{label}" for label in model.intake.labels]
    if there := [name for name in names if name in table.columns]:
        raise UserError(f"{options.file}: it has a column {there[0]} already: rename it, or leave it out")
    table[names] = prediction_N.reshape(len(table), -1)
    with writing_to(options.out, "name another file, or make space"):
        table.to_csv(options.out, index=False)
    print(f"{options.out}: {len(table)} rows, column{'s' * (len(names) > 1)} {', '.join(names)}")
    if text := _error(model, rows, prediction_N):
        print(text)
    return 0


def _error(model: "Model", rows: Any, prediction_N: "np.ndarray") -> str:
    """Return the error in words; empty where the rows have no labels."""
    import numpy as np

    from supremix.data.own.values import numbers_of
    from supremix.metrics.regression import METRICS, regression_metrics

    lines, of_label_TN = [], prediction_N.reshape(len(prediction_N), -1).T
    for label, form, of_label_N in zip(model.intake.labels, model.intake.forms, of_label_TN, strict=True):
        if label not in getattr(rows, "columns", ()):
            continue
        y_N = numbers_of(rows[label], form)
        known_N = np.isfinite(y_N)
        if known_N.any():
            values = regression_metrics(y_N[known_N], of_label_N[known_N])
            numbers = ", ".join(f"{name} {shown(values[name])}" for name in METRICS)
            what = "a label" if len(model.intake.labels) == 1 else label
            lines.append(f"{known_N.sum()} rows with {what}: {numbers}")
    if lines:
        lines.append("too low where these rows were trained on; `supremix show RUN` has the error on test rows")
    return "\n".join(lines)
