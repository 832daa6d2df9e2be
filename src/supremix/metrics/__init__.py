"""Metrics of predictions, intervals and features, and statistics over seeds: pure functions of arrays and numbers.

>>> from supremix.metrics import regression_metrics
>>> regression_metrics(y, prediction)["mae"]
"""

from supremix.metrics.bias import bias_metrics
from supremix.metrics.calibration import interval_metrics
from supremix.metrics.regression import METRICS, grouped, regression_metrics
from supremix.metrics.representation import representation_metrics
from supremix.metrics.seeds import Paired, Summary, bootstrap, gain_percent, paired, summarise

__all__ = [
    "METRICS",
    "Paired",
    "Summary",
    "bias_metrics",
    "bootstrap",
    "gain_percent",
    "grouped",
    "interval_metrics",
    "paired",
    "regression_metrics",
    "representation_metrics",
    "summarise",
]
