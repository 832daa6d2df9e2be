"""Datasets: what each of them provides, the prepared folder on disk, and the loaders."""
