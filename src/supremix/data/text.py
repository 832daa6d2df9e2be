"""Load scored sentence pairs. Shapes: N pairs, B pairs in a batch, L tokens, V word vectors of width E."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.data.check import check_trainable
from supremix.data.dataset import Data, Split, TargetScale
from supremix.data.prepared.arrays import read_array
from supremix.data.prepared.folder import SPLITS, check_sums, content_sha256, prepare_command, read_meta, redo
from supremix.data.prepared.manifest import read_manifest
from supremix.data.sentences import SIDES, SentencePairs, mean_vectors, taken
from supremix.errors import UserError
from supremix.runtime.registered import registered

ARRAYS = ("tokens.npy", "lengths.npy", "vectors.npy")
WORDS = "vocabulary.txt"


@registered("dataset/sentence_pairs")
def load_pairs(
    folder: Path | str,
    *,
    name: str,
    split: str,
    vector_width: int,
    max_length: int,
    target_unit: float,
    bin_size: float | None,
) -> Data:
    """Load prepared sentence pairs.

    Args:
        folder: the prepared folder.
        name: name of the dataset.
        split: name of the division into train, val and test that the folder must have.
        vector_width: E that the folder's word vectors must have.
        max_length: the most tokens of a sentence, at least 1; the rest is cut off.
        target_unit: the head predicts labels divided by this, above 0.
        bin_size: width of label bins, label units, or None.

    Returns:
        Data whose inputs are dicts: "a" and "b", (B, L) int64, padded with 0 at the end to the longest sentence of the
        batch; "a_length" and "b_length", (B,). ``input_spec`` has the word vectors, (V, E) float32, with zeros in row 0
        and for unknown words.

    Raises:
        UserError: the folder is missing, damaged, changed or of another kind.
    """
    folder = Path(folder)
    if not folder.exists():
        vectors = "" if vector_width == 50 else f" with {vector_width} numbers a word"
        command = prepare_command(folder.with_name(f"stsb_dir-{split}-{vector_width}d"))
        raise UserError(f"{folder}: no prepared data: run `{command}`{vectors}, or set paths.prepared")
    if max_length < 1 or not target_unit > 0:
        raise UserError(f"{name}: max_length={max_length} must be 1 or more, target_unit={target_unit} above 0")
    meta = read_meta(folder)
    if meta.get("split") != split:
        raise UserError(f"{folder}: holds the split {meta.get('split')!r}, not {split!r}: {redo(folder)}")
    manifest = read_manifest(folder / "manifest.csv", meta["rows"])
    token_T, length_N2, vector_VE = _read_arrays(folder, meta["rows"], vector_width)
    # Checksums last: a message that names a row says more.
    check_sums(folder, meta, ["manifest.csv", *ARRAYS])
    if manifest.rows is None:
        raise UserError(f"{folder / 'manifest.csv'}: no split column: {redo(folder)}")

    vectors_VE = torch.from_numpy(vector_VE)
    sides = _padded(token_T, length_N2, max_length)
    train, val, test = (
        Split(manifest.ids[at], manifest.y[at], partial(taken, {key: value[at] for key, value in sides.items()}))
        for at in (manifest.rows[part] for part in SPLITS)
    )
    data = Data(
        name,
        train,
        val,
        test,
        bin_size,
        TargetScale(0.0, target_unit),
        {"vectors": vectors_VE},
        content_sha256(meta),
        meta["synthetic"],
        flatten=partial(mean_vectors, vectors_VE),
        reader=SentencePairs(_words(folder, len(vectors_VE)), max_length) if (folder / WORDS).is_file() else None,
        extras={"split": split, "vectors": meta.get("vectors")},
    )
    check_trainable(data)
    return data


def _words(folder: Path, count: int) -> list[str]:
    """Read vocabulary.txt, a word a line, padding first."""
    words = (folder / WORDS).read_text(encoding="utf-8").split("\n")[:-1]
    if len(words) != count:
        raise UserError(f"{folder / WORDS}: {len(words)} words, but {count} vectors: {redo(folder)}")
    return words


def _padded(token_T: np.ndarray, length_N2: np.ndarray, max_length: int) -> dict[str, Tensor]:
    """Return all sentences as one matrix per side, cut to ``max_length`` and padded with 0."""
    start_N2 = np.cumsum(length_N2, dtype=np.int64).reshape(length_N2.shape) - length_N2
    cut_N2 = np.minimum(length_N2, max_length)
    sides: dict[str, Any] = {}
    for column, side in enumerate(SIDES):
        step_L = np.arange(cut_N2[:, column].max())
        real_NL = step_L < cut_N2[:, column, None]
        at_NL = np.where(real_NL, start_N2[:, column, None] + step_L, 0)
        sides[side] = torch.from_numpy(np.where(real_NL, token_T[at_NL], 0).astype(np.int64))
        sides[f"{side}_length"] = torch.from_numpy(cut_N2[:, column].astype(np.int64))
    return sides


def _read_arrays(folder: Path, rows: int, vector_width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read tokens.npy (T,), lengths.npy (N, 2) and vectors.npy (V, E), and check that they agree."""
    token_T = np.array(read_array(folder / "tokens.npy", "int32", (None,)))
    length_N2 = np.array(read_array(folder / "lengths.npy", "int32", (rows, 2)))
    vector_VE = np.array(read_array(folder / "vectors.npy", "float32", (None, None)))
    if vector_VE.shape[1] != vector_width:
        raise UserError(
            f"{folder / 'vectors.npy'}: {vector_VE.shape[1]} numbers a word, but dataset.vector_width={vector_width}: "
            "prepare the data with other vectors, or change dataset.vector_width"
        )
    for i, side in np.argwhere(length_N2 < 1)[:1]:
        raise UserError(f"{folder / 'lengths.npy'}: row {i + 1}, sentence {side + 1} has no token: {redo(folder)}")
    if length_N2.sum(dtype=np.int64) != len(token_T):
        raise UserError(
            f"{folder / 'tokens.npy'}: {len(token_T)} tokens, but lengths.npy adds up to "
            f"{length_N2.sum(dtype=np.int64)}: {redo(folder)}"
        )
    if not (token_T.min() >= 1 and token_T.max() < len(vector_VE)):
        raise UserError(f"{folder / 'tokens.npy'}: a token number outside 1 to {len(vector_VE) - 1}: {redo(folder)}")
    for row, _ in np.argwhere(~np.isfinite(vector_VE))[:1]:
        raise UserError(f"{folder / 'vectors.npy'}: row {row} has a number that is not finite: {redo(folder)}")
    return token_T, length_N2, vector_VE
