"""supremix: contrastive representation learning for regression."""

__version__ = "0.2.0"
