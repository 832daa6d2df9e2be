"""Search for settings with Optuna, on validation alone; for a table, of all its rows with one budget."""
