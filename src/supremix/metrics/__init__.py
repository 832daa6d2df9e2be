"""Metrics of predictions, and statistics over seeds."""
