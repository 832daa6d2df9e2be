"""Labels of small batches, numbers and vectors, for losses that know labels by their distances alone."""

NUMBERS = {
    "ties": [32, 30, 31, 32, 30, 35, 32],
    "all distinct": [4, 0, 3, 1, 6, 2, 5],
    "continuous": [0.731, -1.2, 0.05, 2.41, 1.111, 0.4, -0.63, 1.87],
    "one label": [4, 4, 4, 4, 4],
    "two rows, one label": [7, 7],
    "two rows, two labels": [8, 7],
    "one row": [3],
    "tenths": [3.3, 2.3, 4.3, 0.3, 0.1 + 0.2, 1.3, 0.7, 1.7],
}
BATCHES = NUMBERS | {
    "vectors": [[0.0, 1.0], [3.0, 5.0], [0.0, 1.0], [2.0, 2.0], [-1.0, 0.5]],
    "vectors of one number": [[2.0], [0.0], [1.0], [2.0]],
}
