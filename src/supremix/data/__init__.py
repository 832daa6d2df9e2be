"""Datasets: the contract every one of them fulfils, the prepared folder on disk, and the loaders."""
