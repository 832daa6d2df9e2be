"""Twins: generators of small synthetic raw data in the real on-disk formats."""
