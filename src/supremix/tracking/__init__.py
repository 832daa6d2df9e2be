"""Mirrors of finished and running runs, such as W&B; nothing is read back."""
