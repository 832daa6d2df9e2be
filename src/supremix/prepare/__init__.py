"""From raw files to prepared folders: one module a dataset."""
