"""Reference regressors on the raw inputs: what a method must beat to have learned anything."""

from typing import Any

import numpy as np

from supremix.data.contract import Data, Split


def fit_reference(estimator: Any, data: Data) -> dict[str, dict[str, np.ndarray]]:
    """Fit a scikit-learn regressor on the training rows; predictions in the form that stage 2 leaves them."""

    def inputs_NF(split: Split) -> np.ndarray:
        return np.asarray(data.flatten(split.fetch(np.arange(len(split)))), dtype=np.float64)

    estimator.fit(inputs_NF(data.train), data.train.y)
    return {name: {"best": estimator.predict(inputs_NF(getattr(data, name)))} for name in ("val", "test")}
