"""Write a twin of UCI-airfoil: made-up rows in the same file, with a spectrum that depends on all five features.

The level peaks at a frequency that grows with speed over size, as trailing-edge noise does; constants are made up.
"""

import numpy as np

from supremix.prepare.twins.raw_folder import TwinOptions, raw_folder

SIZES = {"tiny": 60, "small": 240, "demo": 400, "real": 1503}  # rows
FILE = "airfoil_self_noise.dat"
THIRD_OCTAVES = 200 * 2 ** (np.arange(21) / 3)  # Hz
ANGLES = (0.0, 12.0)  # degrees
CHORDS = (0.0254, 0.0508, 0.1016, 0.1524, 0.2286, 0.3048)  # m
SPEEDS = (31.7, 39.6, 55.5, 71.3)  # m/s


def generate(options: TwinOptions) -> None:
    """Write airfoil_self_noise.dat."""
    with raw_folder(options) as folder:
        if folder is None:
            return
        row_N6 = table(SIZES[options.size], np.random.default_rng(options.seed))
        lines = ("\t".join(f"{value:.6g}" for value in row) for row in row_N6)
        (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")


def table(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Draw frequency (Hz), angle (degrees), chord (m), speed (m/s), displacement thickness (m), level (dB): (N, 6)."""
    frequency_N, angle_N = rng.choice(THIRD_OCTAVES, rows), rng.uniform(*ANGLES, rows)
    chord_N, speed_N = rng.choice(CHORDS, rows), rng.choice(SPEEDS, rows)
    thickness_N = chord_N * (0.01 + 0.004 * angle_N)
    octaves_N = np.log2(frequency_N * thickness_N / (0.1 * speed_N))  # from the spectrum's peak
    level_N = 128 + 50 * np.log10(speed_N / 55.5) + 10 * np.log10(thickness_N / 0.005) - 1.2 * octaves_N**2
    level_N = np.clip(level_N + rng.normal(0, 1, rows), 103, 141)
    return np.column_stack([frequency_N, angle_N, chord_N, speed_N, thickness_N, level_N])
