"""Losses of a regression: what the head gives and the targets in, one scalar out.

    >>> from supremix.losses import QuantileLoss
    >>> criterion = QuantileLoss(quantiles=[0.05, 0.5, 0.95])
    >>> loss = criterion(output_NK, target_N)  # K = criterion.outputs
    >>> low_N, high_N = criterion.interval(output_NK)

A loss is a ``torch.nn.Module`` called with ``(output, target_N)`` that returns a scalar; with ``reduction="none"`` it
returns the loss of each row, (N,), which row weights need. All else is optional; ``torch.nn.L1Loss`` has none of it:

==========================  =====================================================================================
``outputs``                 K, the width of the linear head that the loss needs; 1 where it is absent. With 1 the
                            output is (N,), with more (N, K).
``fit(target_N)``           is called once, before training, with the training targets, an array.
``start(target_N)``         returns the bias, an array (K,), at which the head starts, from the training targets.
``point(output_NK)``        returns predictions, (N,); needed where K is above 1.
``interval(output_NK)``     returns the low and the high end of an interval for each row, (N,) each.
``coverage``                part of the labels that such an interval is to hold, in (0, 1); stands beside ``interval``.
==========================  =====================================================================================

Targets and predictions are in the same unit; with scaled targets it is the scaled one, and so is ``noise`` of Balanced
MSE. N rows, K outputs. Outputs of half precision are computed in float32.
"""

from supremix.losses.regression.balanced_mse import BalancedMSELoss
from supremix.losses.regression.gaussian import GaussianNLL
from supremix.losses.regression.hl_gauss import HLGaussLoss
from supremix.losses.regression.quantile import QuantileLoss

__all__ = ["BalancedMSELoss", "GaussianNLL", "HLGaussLoss", "QuantileLoss"]
