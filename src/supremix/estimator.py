"""scikit-learn's view of one run on a table: `SupReMixRegressor`, over the same training code as the driver."""

import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, RegressorMixin, TransformerMixin
from sklearn.utils import check_array, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from supremix.data.dataset import Data
from supremix.data.own.layout import Rows
from supremix.data.own.sheet import Sheet
from supremix.data.own.split import drawn
from supremix.data.own.table import table_of
from supremix.errors import MISTAKES, one_line
from supremix.runtime.seeding import undisturbed

if TYPE_CHECKING:
    import pandas as pd

    from supremix.inference.model import Model

QUIET = ["dataset=table", "dataset.path=rows", "tracking=none", "trainer.progress=off", "trainer.devices=1"]


class SupReMixRegressor(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, RegressorMixin, BaseEstimator
):  # the mixins come first, as scikit-learn asks
    """Regression on a table by a network that is pre-trained contrastively, or by any other method of the project.

    What a run of ``dataset=table`` does with a file this does with X and y: the same recipe, training code and numbers.
    Columns of a DataFrame may be numbers, categories and dates, with missing values. Of several targets contrastive
    losses compare the first principal direction (``dataset.label_unit=pca``), unless the settings say otherwise.

    Args:
        method: of ``conf/method``: supremix, supcon, supcr, vanilla, random, …
        protocol: finetune, linear_probe, …; None is the recipe's, or the method's own.
        head: "trained", or "ridge" for the closed form of a linear probe.
        epochs: of every stage; None is the recipe's.
        validation_fraction: part of the rows that chooses the epoch, where `fit` is given no others.
        settings: further settings by their dotted keys, as `supremix train --cfg job` shows them:
            ``{"method.temperature": 0.1, "dataset.recipe.backbone.hidden": [64, 64]}``.
        random_state: the run's seed; of a generator or None one is drawn.

    Attributes:
        model_: the trained model, as `supremix.load` gives it, in float64.
        record_: the run's record.
        n_features_in_, feature_names_in_: of X.
    """

    model_: "Model"

    def __init__(
        self,
        method: str = "supremix",
        *,
        protocol: str | None = None,
        head: str = "trained",
        epochs: int | None = None,
        validation_fraction: float = 0.15,
        settings: Mapping[str, Any] | None = None,
        random_state: Any = 0,
    ) -> None:
        self.method = method
        self.protocol = protocol
        self.head = head
        self.epochs = epochs
        self.validation_fraction = validation_fraction
        self.settings = settings
        self.random_state = random_state

    def fit(self, X: Any, y: Any, X_val: Any = None, y_val: Any = None) -> Self:
        """Train on rows.

        Args:
            X: rows (N, F), an array or a DataFrame.
            y: labels (N,), or (N, T) of T targets that one network predicts.
            X_val, y_val: rows that choose the epoch; None takes a part of X and y.
        """
        from supremix.experiment.run import run
        from supremix.inference.load import load
        from supremix.settings.compose import CONF, composed
        from supremix.settings.overrides import quoted
        from supremix.store.records import read_record

        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction={self.validation_fraction}: give a number above 0 and below 1")
        frame = self._rows(X, reset=True)
        y_N = _labels(frame, y)
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(2**31 - 1)
        if X_val is None and y_val is not None:
            raise ValueError("y_val without X_val: give the rows that have these labels")
        validation = None
        if X_val is not None:
            rows = self._rows(X_val, reset=False)
            validation = rows, _labels(rows, y_val)
        with undisturbed(), tempfile.TemporaryDirectory(prefix="supremix-") as store:
            try:
                labels = [f"dataset.label=[{','.join(_targets(y_N))}]", *["dataset.label_unit=pca"] * (y_N.ndim == 2)]
                cfg = composed(CONF, [*QUIET, f"paths.runs={quoted(store)}", *labels, *self._overrides(int(seed))])
                if cfg.method.estimator is not None:
                    raise ValueError(f"method={self.method}: a reference, which scikit-learn has itself: use it there")
                data = self._data(cfg, frame, y_N, validation, int(seed))
                directory = run(cfg, data=data)
                self.model_, self.record_ = load(directory), read_record(directory)
                self.model_.check_head(self.head)
            except MISTAKES as error:
                raise ValueError(one_line(error)) from error
        for part in (self.model_.backbone, self.model_.heads):
            part.double()  # a row's prediction then does not depend on the rows beside it
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return predictions (N,) of rows (N, F), or (N, T)."""
        return self._applied(X, lambda frame: self.model_.predict(frame, self.head))

    def transform(self, X: Any) -> np.ndarray:
        """Return the features (N, D) of rows (N, F) that the head sees."""
        return self._applied(X, lambda frame: self.model_.embed(frame))

    @property
    def _n_features_out(self) -> int:
        return self.model_.backbone.out_dim

    def __getstate__(self) -> dict[str, Any]:
        """Return what a pickle holds: the trained model as plain values and arrays, no code of a network."""
        from supremix.inference.load import plain

        state = super().__getstate__()
        return state | {"model_": plain(self.model_)} if "model_" in state else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over what a pickle held."""
        from supremix.inference.load import from_plain

        super().__setstate__(state | {"model_": from_plain(state["model_"])} if "model_" in state else state)

    def _applied(self, X: Any, use: Any) -> np.ndarray:
        check_is_fitted(self)
        frame = self._rows(X, reset=False)
        try:
            return use(frame)
        except MISTAKES as error:
            raise ValueError(one_line(error)) from error

    def _overrides(self, seed: int) -> list[str]:
        """Return the settings as the command line has them."""
        from supremix.settings.overrides import written

        chosen = {"method": self.method, "protocol": self.protocol, "seed": seed}
        stages = ("pretrain", "adapt", "vanilla")
        chosen |= {f"dataset.recipe.{stage}.epochs": self.epochs for stage in stages}
        given = [f"{key}={value}" for key, value in chosen.items() if value is not None]
        return [*given, *(f"{key}={written(value)}" for key, value in (self.settings or {}).items())]

    def _data(
        self,
        cfg: Any,
        frame: "pd.DataFrame",
        y_N: np.ndarray,
        validation: "tuple[pd.DataFrame, np.ndarray] | None",
        seed: int,
    ) -> Data:
        """Return training and validation rows as data; a run's test rows are the validation rows again."""
        import pandas as pd

        from supremix.settings.build import build

        train = np.arange(len(frame))
        if validation is not None:
            val = len(frame) + np.arange(len(validation[0]))
            frame = pd.concat([frame, validation[0]], ignore_index=True)
            y_N = np.concatenate([y_N, validation[1]])
        else:
            share = self.validation_fraction
            of_row = drawn(y_N, {"train": 1 - share, "val": share}, seed, None)
            train, val = (np.flatnonzero(of_row == part) for part in ("train", "val"))
            val = val if len(val) else train  # of a handful of rows
        plan = build("dataset.load.plan", cfg.dataset.load.plan)
        sheet = Sheet(Path("rows"), frame, [], sha256=_checksum(frame, y_N, train))
        rows = Rows(sheet, tuple(_targets(y_N)), np.arange(len(frame)).astype(str), y_N, [*frame.columns], None, None)
        return table_of(cfg.dataset.name, rows, {"train": train, "val": val, "test": val}, plan)

    def _rows(self, X: Any, reset: bool) -> "pd.DataFrame":
        """Check rows; return them as a DataFrame with the columns of training, which count by their place."""
        import pandas as pd

        if isinstance(X, pd.DataFrame):
            validate_data(self, X, skip_check_array=True, reset=reset)
            frame = X.reset_index(drop=True)
            if np.isinf(frame.select_dtypes("number").to_numpy(dtype=np.float64, na_value=np.nan)).any():
                raise ValueError("Input X contains infinity: correct it, or leave the value out")
        else:
            x_NF = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=reset)
            frame = pd.DataFrame(x_NF)
        if reset and len(frame) < 2:
            raise ValueError(f"n_samples={len(frame)}: give 2 rows or more")
        names = getattr(self, "feature_names_in_", [f"x{column}" for column in range(self.n_features_in_)])
        return frame.set_axis([*names], axis=1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = []  # features are float32
        return tags


def _labels(frame: "pd.DataFrame", y: Any) -> np.ndarray:
    """Check labels; return them as (N,) or (N, T) float64."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    check_consistent_length(frame, y)
    return y if y.ndim == 2 and y.shape[1] > 1 else column_or_1d(y, warn=True)


def _checksum(frame: "pd.DataFrame", y_N: np.ndarray, train_N: np.ndarray) -> str:
    """Return a hash of rows, labels, and which rows train, by which a store of the user's own tells data apart."""
    from pandas.util import hash_pandas_object

    names = ",".join(f"{name!r}:{kind}" for name, kind in frame.dtypes.items())
    parts = [hash_pandas_object(frame, index=False).to_numpy(), y_N, train_N]
    return sha256(b"".join([names.encode(), *(part.tobytes() for part in parts)])).hexdigest()


def _targets(y: np.ndarray) -> list[str]:
    return ["label"] if y.ndim == 1 else [f"label{target}" for target in range(y.shape[1])]
