"""Statistics of logits, read off batches in pre-training without waiting for the device or changing a result.

Logits here are the paper's of figures 3 and 5: inner products of unit embeddings, from −1 to 1, not divided by τ, so
that methods with different temperatures compare.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from supremix.losses import pairs
from supremix.training.loop import EpochRow
from supremix.training.settings import HistogramSettings


class LogitStatistics:
    """Collects statistics of the batches it reads: a row an epoch, and histograms of the chosen epochs.

    The pairs are those of real rows within a batch, each once; two views of one image are two rows. ``state`` holds
    all that was read, tensors by name.
    """

    def __init__(self, criterion: Any, histograms: HistogramSettings | None = None) -> None:
        self.criterion, self.histograms = criterion, histograms
        self.state: dict[str, Tensor] = {}

    @torch.no_grad()
    def read(self, epoch: int, z: Tensor, y_B: Tensor, loss: Tensor) -> None:
        """Take in a batch's embeddings (B, D), labels and loss, (); other embeddings, (B, 2, D), are passed over."""
        self._add("batches", torch.ones((), device=z.device))
        if hasattr(self.criterion, "count_positives"):  # which a user's own loss may lack
            self._add("without_positive", (torch.as_tensor(self.criterion.count_positives(y_B)) == 0).float().mean())
        if hasattr(self.criterion, "lower_bound"):
            self._add("above_bound", loss - self.criterion.lower_bound(y_B))
        if z.ndim != 2:
            return
        with torch.autocast(z.device.type, enabled=False):
            logits_NN, positive_NN, negative_NN = pairs.real_logits(z, y_B)
        for name, mask_NN in (("positive", positive_NN), ("negative", negative_NN)):
            self._add(f"{name}_sum", torch.where(mask_NN, logits_NN, 0.0).sum())
            self._add(f"{name}_count", mask_NN.sum())
        if self.histograms is not None and epoch in self.histograms.epochs:
            self._add(f"positive/{epoch}", _below_edges(logits_NN, positive_NN, self.histograms.bins))
            self._keep_hardest(f"hardest/{epoch}", logits_NN.masked_fill(~negative_NN, -torch.inf))

    def close(self) -> EpochRow:
        """Return the epoch's row, and start anew: means over the batches read, and over their pairs.

        ``anchors_without_positive`` is the share of anchors that the loss leaves out; a loss that does not count its
        positives has none. ``above_bound`` is how far the loss is above its lower bound, which no embeddings undercut;
        a loss without ``lower_bound`` has none. ``positive_logit`` and ``negative_logit`` are the mean logits of equal
        and of different labels, NaN where no such pair was read.
        """
        sums = {name: self.state.pop(name) for name in list(self.state) if "/" not in name}
        row = {}
        if "without_positive" in sums:
            row["anchors_without_positive"] = sums["without_positive"] / sums["batches"]
        if "above_bound" in sums:
            row["above_bound"] = sums["above_bound"] / sums["batches"]
        for name in ("positive", "negative"):
            if f"{name}_sum" in sums:
                row[f"{name}_logit"] = sums[f"{name}_sum"] / sums[f"{name}_count"]
        return {name: value.item() for name, value in row.items()}

    def arrays(self) -> dict[str, np.ndarray]:
        """Return histograms of the E epochs reached: epochs (E,), edges (K+1,), pairs in each bin (E, K).

        Where no such epoch was reached, or none is asked for, there are none: {}.
        """
        epochs = sorted(int(name.partition("/")[2]) for name in self.state if name.startswith("positive/"))
        if self.histograms is None or not epochs:
            return {}
        edges = np.linspace(-1, 1, self.histograms.bins + 1)
        below_EK = np.stack([self.state[f"positive/{epoch}"].cpu().numpy() for epoch in epochs])
        hardest = [self.state[f"hardest/{epoch}"].cpu().numpy() for epoch in epochs]
        return {
            "epochs": np.array(epochs),
            "edges": edges,
            "positive": np.diff(below_EK, axis=1),
            "hardest": np.stack([np.histogram(np.clip(x[np.isfinite(x)], -1, 1), edges)[0] for x in hardest]),
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that was read; what goes on from it reads as if never interrupted."""
        return dict(self.state)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from what `state_dict` gave."""
        self.state = dict(state)

    def _add(self, name: str, value: Tensor) -> None:
        self.state[name] = self.state[name].to(value.device) + value if name in self.state else value

    def _keep_hardest(self, name: str, logits_NN: Tensor) -> None:
        """Keep the largest of what was kept and of the batch; −inf, which is no pair, fills up."""
        assert self.histograms is not None
        logits_M = logits_NN.flatten()
        if name in self.state:
            logits_M = torch.cat([self.state[name].to(logits_M.device), logits_M])
        self.state[name] = logits_M.topk(min(self.histograms.hardest, len(logits_M))).values


def _below_edges(logits_NN: Tensor, mask_NN: Tensor, bins: int) -> Tensor:
    """Count the masked logits below each of the bins + 1 edges; at the last edge, all of them.

    By sorting: a histogram on a GPU adds in any order, and a selection by mask would wait for the device.
    """
    edges = torch.linspace(-1, 1, bins + 1, device=logits_NN.device)
    sorted_M = logits_NN.clamp(-1, 1).masked_fill(~mask_NN, torch.inf).flatten().sort().values
    below = torch.searchsorted(sorted_M, edges.to(sorted_M.dtype))
    return torch.cat([below[:-1], mask_NN.sum()[None]])
