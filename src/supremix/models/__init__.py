"""Backbones: input x → features h of width ``out_dim``."""
