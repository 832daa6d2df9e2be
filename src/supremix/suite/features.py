"""Test features of finished runs, and their places on a plane. N rows, D features."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from supremix.store.files import load_arrays, reading


@dataclass(frozen=True)
class Features:
    """A run's test features, (N, D), and their labels, (N,), of vectors the first target; None for a missing run."""

    title: str
    features_ND: np.ndarray | None
    y_N: np.ndarray | None


def test_features(title: str, run: Path) -> Features:
    """Read the features of a finished run; raise UserError without them."""
    path = run / "predictions.npz"
    with reading(path, "predictions with test features"):
        arrays = load_arrays(path, lambda name: name in ("test_features", "test_y"))
        features_ND, y_N = arrays["test_features"], arrays["test_y"].reshape(len(arrays["test_y"]), -1)[:, 0]
        if features_ND.ndim != 2 or y_N.shape != features_ND.shape[:1] or not np.isfinite(features_ND).all():
            raise ValueError(f"features of {features_ND.shape}, labels of {y_N.shape}, or some not finite")
        return Features(title, features_ND, y_N)


def on_a_plane(features_ND: np.ndarray) -> np.ndarray:
    """Compute a t-SNE of features, (N, 2).

    scikit-learn's t-SNE (van der Maaten & Hinton 2008) with perplexity 30 or a third of the rows, initialised by PCA,
    seed 0. Its axes have no units: only neighbourhoods have a meaning.
    """
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(features_ND) - 1) / 3)
    xy_N2: np.ndarray = TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(features_ND)
    return xy_N2
