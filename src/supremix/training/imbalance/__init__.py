"""Imbalanced regression after Yang et al. 2021: label and feature distribution smoothing, and shots."""
