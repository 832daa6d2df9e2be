"""Figures, drawn from stored runs only."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from supremix.errors import UserError


@dataclass(frozen=True)
class Features:
    """Test features of a run, (N, D), and the labels they belong to, (N,)."""

    title: str
    features_ND: np.ndarray
    y_N: np.ndarray


def test_features(title: str, run: Path) -> Features:
    """Read what a finished run stored; UserError where it has no features."""
    path = run / "predictions.npz"
    try:
        with np.load(path) as arrays:
            return Features(title, arrays["test_features"], arrays["test_y"])
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path}: holds no test features ({error}); run it again") from None


def tsne(panels: list[Features], label: str, path: Path) -> Path:
    """Draw the panels side by side, each a t-SNE of its features coloured by label; PNG and SVG.

    t-SNE (van der Maaten & Hinton 2008) as in the paper's figure 2, by scikit-learn: perplexity 30 or a third of
    the rows, initialised by PCA, seed 0. Its axes have no units: only neighbourhoods mean something.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    from sklearn.manifold import TSNE

    low, high = min(p.y_N.min() for p in panels), max(p.y_N.max() for p in panels)
    figure, axes = plt.subplots(1, len(panels), figsize=(3.4 * len(panels) + 0.8, 3.6), squeeze=False)
    for axis, panel in zip(axes[0], panels, strict=True):
        perplexity = min(30.0, (len(panel.y_N) - 1) / 3)
        xy_N2 = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(panel.features_ND)
        # viridis rises steadily in lightness, so the order survives printing in black and white.
        dots = axis.scatter(*xy_N2.T, c=panel.y_N, s=14, cmap="viridis", vmin=low, vmax=high)
        axis.set(title=panel.title, xticks=[], yticks=[], xlabel="t-SNE 1")
    axes[0][0].set_ylabel("t-SNE 2")
    figure.colorbar(dots, ax=list(axes[0]), label=label, fraction=0.03, pad=0.02)
    path.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".svg"):
        figure.savefig(
            path.with_suffix(suffix),
            dpi=150,
            bbox_inches="tight",
            metadata={"Date": None} if suffix == ".svg" else None,
        )
    plt.close(figure)
    return path.with_suffix(".png")
