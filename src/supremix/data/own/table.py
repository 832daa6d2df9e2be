"""A user's table of features as data: every column that is nothing else is an input."""

from collections.abc import Mapping

import numpy as np
import torch

from supremix.data.dataset import Data
from supremix.data.own.assemble import Inputs, Plan, assembled, divided
from supremix.data.own.features import fit_table
from supremix.data.own.kinds import kinds_of
from supremix.data.own.layout import Layout, Rows, read_rows
from supremix.errors import UserError
from supremix.runtime.registered import registered


@registered("dataset/own_table")
def load_table(*, name: str, path: str | None, layout: Layout, plan: Plan) -> Data:
    """Read a table; what is to be fitted is fitted to its training rows.

    Args:
        name: of the dataset, for messages and records.
        path: of the file.
        layout: which column is what.
        plan: split, scaling and label geometry.

    Raises:
        UserError: the file or a column is not there, or nothing can be learnt from it.
    """
    rows = read_rows(path, layout)
    return table_of(name, rows, divided(rows, plan), plan)


def table_of(name: str, rows: Rows, split: Mapping[str, np.ndarray], plan: Plan) -> Data:
    """Return the data of rows at hand; what is to be fitted is fitted to the training rows.

    Args:
        name: of the dataset.
        rows: the usable ones.
        split: → its row numbers.
        plan: scaling and label geometry.
    """
    kinds = kinds_of(rows)
    rows.problems.extend(kinds.problems)
    if not (kinds.numbers or kinds.dates or kinds.categories):
        where = f"no column is left to predict {rows.label!r} from"
        raise UserError(f"{rows.sheet.path}: {where}: {'; '.join(kinds.in_words())}")
    reader = fit_table(rows.frame.iloc[split["train"]], kinds.numbers, kinds.dates, kinds.categories, plan.scaling)
    x_NF = reader.read(rows.frame)
    inputs = Inputs(
        fetch=lambda index_B: x_NF[torch.as_tensor(index_B, dtype=torch.long)],
        reader=reader,
        input_spec={"in_features": x_NF.shape[1]},
        facts=[*kinds.in_words(), f"{x_NF.shape[1]:,} numbers a row"],
        others={},
    )
    return assembled(name, rows, split, inputs, plan)
