"""A user's table of features as data: every column that is nothing else is an input."""

import torch

from supremix.data.dataset import Data
from supremix.data.own.assemble import Inputs, Plan, assembled, divided
from supremix.data.own.features import fit_table
from supremix.data.own.kinds import kinds_of
from supremix.data.own.layout import Layout, read_rows
from supremix.errors import UserError
from supremix.runtime.registered import registered


@registered("dataset/own_table")
def load_table(*, name: str, path: str, layout: Layout, plan: Plan) -> Data:
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
    kinds = kinds_of(rows)
    rows.problems.extend(kinds.problems)
    if not (kinds.numbers or kinds.dates or kinds.categories):
        raise UserError(f"{path}: no column is left to predict {rows.label!r} from: {'; '.join(kinds.in_words())}")
    split = divided(rows, plan)
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
