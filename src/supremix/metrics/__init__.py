"""Metrics of predictions, and statistics over seeds: pure functions of arrays and numbers.

>>> from supremix.metrics import regression_metrics
>>> regression_metrics(y, prediction)["mae"]
"""

from supremix.metrics.regression import METRICS, grouped, regression_metrics
from supremix.metrics.seeds import Paired, Summary, bootstrap, gain_percent, paired, summarise

__all__ = [
    "METRICS",
    "Paired",
    "Summary",
    "bootstrap",
    "gain_percent",
    "grouped",
    "paired",
    "regression_metrics",
    "summarise",
]
