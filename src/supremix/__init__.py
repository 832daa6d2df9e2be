"""supremix: contrastive representation learning for regression."""

__version__ = "0.1.0"
