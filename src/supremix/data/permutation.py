"""Labels exchanged for one another, to see whether a method hears their order (paper section 2.1, figure 2)."""

from dataclasses import replace

import numpy as np
import torch

from supremix.data.contract import Data, Split
from supremix.seeding import generator


def permute_labels(data: Data, seed: int) -> Data:
    """Permute the label bins of the training and validation rows; the test rows keep their labels.

    Equal labels stay equal and different ones different: all rows of a bin move to one other bin, and keep their
    place in it. The permutation depends on the seed and on the bins only. Targets keep their scale.
    """
    bins = {split: data.label_bins(getattr(data, split).y) for split in ("train", "val")}
    values_V = np.unique(np.concatenate(list(bins.values())))
    moved_V = values_V[torch.randperm(len(values_V), generator=generator(seed, "labels", "permutation")).numpy()]

    def permuted(split: Split, bins_N: np.ndarray) -> Split:
        return replace(split, y=split.y - bins_N + moved_V[np.searchsorted(values_V, bins_N)])

    return replace(data, train=permuted(data.train, bins["train"]), val=permuted(data.val, bins["val"]))
