"""Write synthetic resting-state series of 400 parcels: correlations within and between networks drift with age.

All signals have mean zero and are as likely as their negatives, whatever the age, so nothing linear in them shows it;
how parcels move together does. Smoothness, the strength of the signal all parcels share, and the number of frames
differ from subject to subject at random.
"""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from supremix.prepare.twins.raw_folder import TwinOptions, write_cohort

PARCELS = 400
NETWORKS = 7
AGES = (36.0, 100.0)
OLDEST = 94.0


class Size(NamedTuple):
    """Subjects, and the fewest and most frames of a series."""

    subjects: int
    shortest: int
    longest: int


SIZES = {"tiny": Size(24, 40, 70), "small": Size(60, 40, 70), "demo": Size(400, 80, 140), "real": Size(656, 478, 1912)}


def generate(options: TwinOptions) -> None:
    """Write SUBJECT.npy, (400, T) float32, for each subject, and ages.csv; size and seed settle all."""
    size = SIZES[options.size]
    rng = np.random.default_rng([options.seed, PARCELS])
    numbers = np.sort(rng.choice(np.arange(6_000_000, 9_999_999), size.subjects, replace=False))
    # HCP-Aging enrolled evenly from 36 on, and gives everyone above 90 as 100.
    ages = np.round(rng.uniform(AGES[0], OLDEST, size.subjects), 2)
    ages = np.where(ages > 90, AGES[1], ages)
    subjects = [(f"HCA{number}", float(age)) for number, age in zip(numbers, ages, strict=True)]
    write = partial(write_series, shortest=size.shortest, longest=size.longest, seed=options.seed)
    write_cohort(options, subjects, write, "series", "subject")


def write_series(*, folder: Path, subject: str, age: float, shortest: int, longest: int, seed: int) -> None:
    """Write one subject's file."""
    rng = np.random.default_rng([seed, int(subject.removeprefix("HCA"))])
    frames = int(rng.integers(shortest, longest + 1))
    np.save(folder / f"{subject}.npy", draw_series(age, frames, rng).astype("<f4"))


def draw_series(age: float, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Draw signals (400, frames) of arbitrary scale."""
    old = (min(age, OLDEST) - AGES[0]) / (OLDEST - AGES[0]) + rng.normal(0, 0.04)
    within = 1.1 - 0.7 * old  # networks fall apart with age …
    between = 0.15 + 0.55 * old  # … and the default-mode and attention networks move together
    memory = rng.uniform(0.2, 0.5)
    network_P = np.arange(PARCELS) * NETWORKS // PARCELS
    network_NT = _smooth(rng.normal(size=(NETWORKS, frames)), memory)
    pair_T = _smooth(rng.normal(size=(1, frames)), memory)
    shared_T = _smooth(rng.normal(size=(1, frames)), memory)
    signal_PT = within * network_NT[network_P]
    signal_PT += between * pair_T * np.isin(network_P, (2, 6))[:, None]
    signal_PT += rng.uniform(0.1, 0.5) * shared_T
    signal_PT += _smooth(rng.normal(size=(PARCELS, frames)), memory)
    return signal_PT * rng.uniform(50, 150)


def _smooth(noise_PT: np.ndarray, memory: float) -> np.ndarray:
    """Filter by a first-order autoregression of unit variance along time."""
    out = np.empty_like(noise_PT)
    out[:, 0] = noise_PT[:, 0]
    for t in range(1, noise_PT.shape[1]):
        out[:, t] = memory * out[:, t - 1] + np.sqrt(1 - memory**2) * noise_PT[:, t]
    return out
