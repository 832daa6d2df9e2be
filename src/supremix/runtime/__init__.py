"""Processes: ranks, signals, locks and random streams."""
