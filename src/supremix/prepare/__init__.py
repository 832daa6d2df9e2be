"""Prepare raw files for training: one module for each dataset, with the command ``supremix prepare NAME``."""
