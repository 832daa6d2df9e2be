"""Small files of the names that the pages use."""

from pathlib import Path

import numpy as np
import pandas as pd

ROWS = 60


def write_files(folder: Path) -> None:
    """Write what the commands of the pages read."""
    from PIL import Image

    random = np.random.default_rng(0)
    y_N = random.uniform(1, 9, ROWS).round(2)
    houses = pd.DataFrame({"area": (20 * y_N).round(), "kind": random.choice(["flat", "house"], ROWS), "price": y_N})
    houses.to_csv(folder / "houses.csv", index=False)
    houses.drop(columns="price").to_csv(folder / "new_houses.csv", index=False)
    (folder / "files").mkdir()
    for i, y in enumerate(y_N):
        Image.fromarray(np.full((12, 12), 25 * y, np.uint8)).save(folder / "files" / f"{i}.png")
        np.save(folder / "files" / f"v{i}.npy", random.uniform(0, y, (6, 6, 6)))
        np.save(folder / "files" / f"s{i}.npy", random.normal(0, y, (12 + i % 3, 2)))
    for name, column, cell, label in (
        ("photos.csv", "photo", "files/{}.png", "angle"),
        ("scans.csv", "scan", "files/v{}.npy", "age"),
        ("records.csv", "record", "files/s{}.npy", "speed"),
    ):
        pd.DataFrame({column: [cell.format(i) for i in range(ROWS)], label: y_N}).to_csv(folder / name, index=False)
    spectra = pd.DataFrame(random.normal(size=(ROWS, 20)), columns=[f"nm{i}" for i in range(20)])
    spectra.assign(fat=y_N).to_csv(folder / "spectra.csv", index=False)
    words = np.array(["good", "bad", "film", "story", "dull"])
    tweets = pd.DataFrame({"id": range(ROWS), "score": y_N, "text": [" ".join(random.choice(words, 6)) for _ in y_N]})
    tweets.to_csv(folder / "tweets.txt", sep="\t", header=False, index=False)
    (folder / "glove").mkdir()
    vectors = "\n".join(f"{word} {i} 1 {-i}" for i, word in enumerate(words))
    (folder / "glove" / "glove.6B.50d.txt").write_text(vectors + "\n")
