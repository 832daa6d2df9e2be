"""Reference regressors on the raw inputs, which a method must beat."""

import logging
import warnings
from typing import Any

import numpy as np
from sklearn.multioutput import MultiOutputRegressor

from supremix.data.check import check_finite
from supremix.data.dataset import Data, Split
from supremix.errors import UserError, needs, one_line
from supremix.runtime.registered import registered

AT_ONCE = 64  # rows fetched together, so that not all raw inputs of a split are in memory


@registered("estimator/realmlp")
def realmlp(**settings: Any) -> Any:
    """Return pytabkit's RealMLP with its authors' tuned defaults (Holzmüller, Grinsztajn and Steinwart 2024).

    It chooses its epoch on a part of the training rows.

    Args:
        settings: of `pytabkit.RealMLP_TD_Regressor`.
    """
    needs("pytabkit", "tabular")
    warnings.filterwarnings("ignore", module=r"pytabkit|pytorch_lightning|torch\.jit")  # of its own workings
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # by which it announces devices and products
    from pytabkit import RealMLP_TD_Regressor

    return RealMLP_TD_Regressor(**settings)


def fit_reference(estimator: Any, data: Data) -> dict[str, dict[str, np.ndarray]]:
    """Fit a scikit-learn regressor on the training rows; return predictions by split and variant, as `adapt` does.

    It learns labels as they are, or with a target transform the transformed ones, as networks do. Of vectors each
    target has a regressor of its own.

    Raises:
        UserError: the inputs are not finite, or the regressor refuses the data.
    """
    transform, kind = data.target.transform, type(estimator).__name__
    if data.train.y.ndim == 2:
        estimator = MultiOutputRegressor(estimator)

    def inputs_NF(split: Split) -> np.ndarray:
        batches = np.split(np.arange(len(split)), range(AT_ONCE, len(split), AT_ONCE))
        x_NF = np.concatenate([np.asarray(data.flatten(split.fetch(at_B)), dtype=np.float64) for at_B in batches])
        check_finite("the inputs", x_NF, split)
        return x_NF

    def predicted(split: Split) -> np.ndarray:
        prediction: np.ndarray = estimator.predict(inputs_NF(split))
        return prediction if transform is None else transform.decode(prediction)

    try:
        estimator.fit(inputs_NF(data.train), data.train.y if transform is None else transform.encode(data.train.y))
        return {name: {"best": predicted(getattr(data, name))} for name in ("val", "test")}
    except ValueError as error:  # as scikit-learn refuses data, such as fewer rows than neighbours
        raise UserError(
            f"method.estimator: {kind} refuses {len(data.train)} training rows of {data.name}: "
            f"{one_line(error)}: take another method, or more rows"
        ) from error
