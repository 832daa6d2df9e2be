"""A finished run, used: loaded, applied to new rows, saved as a folder of its own, exported."""
