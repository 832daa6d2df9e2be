"""Random small files of each format through `supremix prepare`, in this process.

Whatever the file: an exit code of 0 or 1, no traceback, one line of error, less than a minute and 4 GB; and what is
prepared is what a plain reader of NumPy, Pillow, nibabel or the csv module finds in the file.
"""

import csv
import io
import re
import resource
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from supremix.cli.main import main
from supremix.runtime import stamps
from tests.corpus import RAW, ages, archives, faces, labels, measurements, pairs, series, vectors, volumes

EXAMPLES = 80
MEMORY = 4 << 30
NUMBER = re.compile(r"[ \t\r\n]*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[ \t\r\n]*")
TEXTS = [(faces, "agedb.csv"), (pairs, pairs.TRAIN), (vectors, vectors.FILE), (measurements, measurements.FILE)]
TEXTS += [(measurements, "SYNTHETIC"), (archives, "agedb.csv")]
RUNS: list[str] = []
campaign = settings(
    max_examples=EXAMPLES, deadline=60_000, database=None, suppress_health_check=list(HealthCheck), print_blob=True
)
awkward = st.text(st.sampled_from("0123456789.,;-+eE_ \t\"'\n\rabnéß\u00a0\u200b\ufeff\u2028٣３\x00"), max_size=12)
numerals = st.one_of(
    st.floats(-10, 140, allow_nan=False).map(lambda x: f"{x:.3f}"),
    st.integers(-5, 130).map(str),
    st.sampled_from(["nan", "inf", "-1", "", "1e2", "6_3", "63,5", " 63 ", "1e400", "٦٣", "+7", ".5", "NA", "0x1"]),
    awkward,
)


@pytest.fixture(scope="module", autouse=True)
def at_rest() -> Iterator[None]:
    """No waiting until a file's times are those of the past: nothing changes these while they are read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stamps, "TICK", 0)
        yield


@contextmanager
def prepared(module: Any, write: Callable[[Path], Any], *more: str) -> Iterator[Path | None]:
    """The folder that the command makes of sound files after `write`; None where it refuses them in one line."""
    RUNS.append(module.__name__)
    with tempfile.TemporaryDirectory() as place:
        raw, out = Path(place, "raw"), Path(place, "out")
        raw.mkdir()
        module.sound(raw)
        write(raw)
        err = io.StringIO()
        command = [argument.replace(RAW, str(raw)) for argument in (*module.COMMAND, *more)]
        with redirect_stderr(err), redirect_stdout(io.StringIO()), warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            code = main(["prepare", *command, "--out", str(out)])
        assert [str(warning.message) for warning in warned] == []
        said = err.getvalue().splitlines()
        errors = [line for line in said if line.startswith("error: ")]
        assert "Traceback" not in err.getvalue()
        assert (code, len(errors)) in ((0, 0), (1, 1)), (code, said)
        assert all(line.isprintable() and len(line) < 2000 for line in errors)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < MEMORY
        folders = [path for path in out.glob("*") if not path.name.startswith(".")] if out.exists() else []
        assert len(folders) == (code == 0)
        yield folders[0] if folders else None


def mutated(draw: Any, content: bytes) -> bytes:
    """The content with some bytes changed, cut off, or put in."""
    raw = bytearray(content)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(len(raw) - 1, 0)))
        kind = draw(st.sampled_from(["change", "cut", "insert"]))
        if kind == "change" and raw:
            raw[at] = draw(st.integers(0, 255))
        elif kind == "cut":
            del raw[at:]
        else:
            raw[at:at] = draw(st.binary(max_size=8))
    return bytes(raw)


def plain(cell: str) -> float:
    """A numeral as every program reads it; NaN for anything else."""
    return float(cell) if NUMBER.fullmatch(cell) else float("nan")


def saved(rows: list[list[str]], draw: Any) -> bytes:
    """A table as one of several programs saves it."""
    target = io.StringIO()
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    csv.writer(target, delimiter=draw(st.sampled_from(",;\t")), quoting=quoting, lineterminator=end).writerows(rows)
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + target.getvalue().encode()


@campaign
@given(st.data())
def test_tables_of_ages(data):
    """The csv module finds the same ages; each subject is in the table once."""
    cells = [data.draw(numerals) for _ in ages.AGES]
    content = saved([["subject", "age"], *map(list, zip(ages.AGES, cells, strict=True))], data.draw)
    with prepared(ages, ages.table(content)) as folder:
        expected = {subject: plain(cell.strip()) for subject, cell in zip(ages.AGES, cells, strict=True)}
        expected = {subject: age for subject, age in expected.items() if 0 < age <= 122.5}
        zero = any("\0" in cell for cell in cells)
        assert (folder is None) == (len(expected) < 3 or zero)
        assert folder is None or labels(folder) == expected


@campaign
@given(st.data())
def test_damaged_tables_of_ages(data):
    """What is prepared of a damaged table stands in it."""
    content = mutated(data.draw, data.draw(st.sampled_from([ages.SOUND.encode(), saved_sound(data.draw)])))
    with prepared(ages, ages.table(content)) as folder:
        if folder is not None:
            text = content.decode("utf-8-sig")
            first = text.partition("\n")[0]
            found = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=next(c for c in "\t;," if c in first)))
            expected = {row["subject"].strip(): plain(row["age"].strip()) for row in found if row["subject"]}
            assert labels(folder).items() <= expected.items()


def saved_sound(draw: Any) -> bytes:
    """The sound table of ages, saved again."""
    return saved([line.split(",") for line in ages.SOUND.split()], draw)


def standardised(values_PT: np.ndarray) -> np.ndarray:
    """Each parcel less its mean, over its standard deviation."""
    exact = values_PT.astype(np.float64)
    return (exact - exact.mean(1, keepdims=True)) / exact.std(1, keepdims=True)


@campaign
@given(st.data())
def test_series(data):
    """NumPy finds the same series, standardised; no series that has none is in the data."""
    draw = data.draw
    values = series.VALUES_PT * 10.0 ** draw(st.integers(-40, 40)) + draw(st.sampled_from([0, 0, 1, 1e3]))
    if draw(st.booleans()):
        special = draw(st.sampled_from([np.nan, np.inf, 0.0, 1e38, 1e300, -7.5]))
        values[draw(st.integers(0, 399)), slice(None) if draw(st.booleans()) else draw(st.integers(0, 39))] = special
    kind = draw(st.sampled_from(["f8", "f4", ">f8", "f2", "c16", "i4", "text", "csv", "semicolons", "R"]))
    with np.errstate(all="ignore"):
        if kind == "csv":
            stored, suffix, content = values, ".csv", text(values, ",")
        elif kind == "semicolons":
            stored, suffix, content = values, ".csv", text(values, ";")
        elif kind == "R":
            names = " ".join(f'"{i}"' for i in range(values.shape[1])) + "\n"
            rows = text(values, " ").splitlines()
            stored, suffix = values, ".txt"
            content = names + "\n".join(f'"{i}" {row}' for i, row in enumerate(rows))
        elif kind == "text":
            stored, suffix, content = values, ".npy", series.npy(values.astype(str))
        else:
            stored = values.astype(kind)
            suffix, content = ".npy", series.npy(stored)
    with prepared(series, series.s1(content, suffix)) as folder:
        assert folder is not None
        readable = kind not in ("text", "c16") and bool(np.isfinite(stored).all())
        if "s1" not in labels(folder):
            spread, largest = np.ptp(stored, axis=1) if readable else 0, np.abs(values).max(axis=1)
            bad = (spread <= 1e-6 * largest) | (largest > 3e38) | (largest < 2e-38)
            assert not readable or bad.any() or ambiguous(stored)
            return
        assert readable
        order = list(labels(folder)).index("s1")
        frames = np.concatenate([np.load(path) for path in sorted(folder.glob("frames-*.npy"))])
        found = frames[series.FRAMES * order : series.FRAMES * (order + 1)].T
        np.testing.assert_allclose(found, standardised(stored), rtol=1e-4, atol=1e-4)


def ambiguous(values: np.ndarray) -> bool:
    """Whether a whole table is of whole numbers, so that what counts and what is measured look alike."""
    return bool((values == np.round(values)).all())


def text(values: np.ndarray, delimiter: str) -> str:
    """A table as text, every digit."""
    return "".join(delimiter.join(map(repr, row)) + "\n" for row in values.tolist())


@campaign
@given(st.data())
def test_damaged_series(data):
    """A damaged file gives a report, or finite values of mean 0 and deviation 1."""
    suffix, sound = data.draw(
        st.sampled_from([(".npy", series.npy(series.VALUES_PT)), (".csv", series.text().encode())])
    )
    with prepared(series, series.s1(mutated(data.draw, sound), suffix)) as folder:
        assert folder is not None
        for path in folder.glob("frames-*.npy"):
            frames = np.load(path)
            assert frames.dtype == np.float32
            assert np.isfinite(frames).all()


@campaign
@given(st.data())
def test_volumes(data):
    """nibabel turns the voxels the same way; they are scaled by the 99.5th percentile."""
    draw = data.draw
    order = draw(st.permutations([0, 1, 2]))
    signs = [draw(st.sampled_from([-2.0, 2.0])) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = np.diag(signs)[:, order]
    kind = draw(st.sampled_from(["u1", "i2", "f4", "f8", "i4"]))
    voxels = (volumes.VOXELS / draw(st.sampled_from([4, 8, 50]))).astype(kind)
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    codes = draw(st.sampled_from([(1, 1), (0, 2), (2, 0), (4, 1)]))
    image.set_qform(affine, codes[0])
    image.set_sform(affine, codes[1])
    with prepared(volumes, volumes.scan(image.to_bytes())) as folder:
        assert folder is not None
        volumes.cube(nib.as_closest_canonical(nib.Nifti1Image(voxels, affine)).get_fdata())(folder)


@campaign
@given(st.data())
def test_damaged_volumes(data):
    """A scan with any bytes in its header is left out, or its cube is in [0, 1]."""
    raw = bytearray(volumes.nifti())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, 351))
        raw[at : at + 4] = data.draw(st.binary(min_size=1, max_size=4))
    content = data.draw(st.sampled_from([bytes(raw), bytes(raw)[: data.draw(st.integers(0, len(raw)))]]))
    with prepared(volumes, volumes.scan(content)) as folder:
        assert folder is not None
        for path in folder.glob("volumes-*.npy"):
            cubes = np.load(path)
            assert cubes.shape[1:] == (8, 8, 8)
            assert ((cubes >= 0) & (cubes <= 1)).all()


@campaign
@given(st.data())
def test_images(data):
    """Pillow shows the same colours."""
    draw = data.draw
    size = (draw(st.integers(1, 40)), draw(st.integers(1, 40)))
    colours = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    mode, kind = draw(st.sampled_from([
        ("RGB", "PNG"), ("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("RGB", "BMP"), ("RGB", "JPEG"), ("L", "JPEG"),
        ("CMYK", "JPEG"), ("CMYK", "TIFF"), ("RGB", "WEBP"), ("P", "GIF"), ("RGB", "TIFF"), ("YCbCr", "JPEG"),
    ]))  # fmt: skip
    file = io.BytesIO()
    Image.fromarray(colours).convert(mode).save(file, kind)
    with prepared(faces, faces.image(file.getvalue())) as folder:
        assert folder is not None
        if min(size) < 8:
            assert faces.ODD not in labels(folder)
            return
        expected = Image.open(file).convert("RGB").resize((8, 8), Image.Resampling.BILINEAR)
        faces.shows(np.asarray(expected))(folder)


@campaign
@given(st.data())
def test_damaged_images(data):
    """A damaged image is left out, or becomes some colours; the others stay what they are."""
    kinds = ["PNG", "JPEG", "TIFF", "GIF", "BMP"]
    content = faces.saved(Image.fromarray(faces.COLOURS), data.draw(st.sampled_from(kinds)))
    with prepared(faces, faces.image(mutated(data.draw, content))) as folder:
        assert folder is not None
        np.testing.assert_array_equal(np.load(folder / "faces.npy")[0], faces.COLOURS)
        assert {name: faces.ALL[name] for name in labels(folder)} == labels(folder)


@campaign
@given(st.data())
def test_tables_of_faces(data):
    """The csv module finds the same ages."""
    cells = [data.draw(numerals) for _ in faces.FILES]
    rows = [[cell, f"AgeDB/{file}", split] for cell, file, split in zip(cells, faces.FILES, faces.SPLITS, strict=True)]
    with prepared(faces, faces.table(saved([["age", "path", "split"], *rows], data.draw))) as folder:
        expected = {row[1]: plain(row[0]) for row in rows if 0 <= plain(row[0]) <= 120}
        whole = {split for row, split in zip(rows, faces.SPLITS, strict=True) if row[1] in expected} == {*faces.SPLITS}
        assert (folder is not None) == (whole and not any("\0" in cell for cell in cells))
        assert folder is None or labels(folder) == expected


@campaign
@given(st.data())
def test_archives(data):
    """A damaged archive is refused, or its images are those that zipfile finds."""
    method = data.draw(st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
    content = mutated(data.draw, archives.zipped(method=method))
    with prepared(archives, archives.archive(content)) as folder:
        if folder is not None:
            images = np.load(folder / "faces.npy")
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for row in csv.DictReader((folder / "manifest.csv").open()):
                    file = row["id"].removeprefix("AgeDB/")
                    (member,) = {name for name in archive.namelist() if name.endswith(file)}
                    found = Image.open(io.BytesIO(archive.read(member))).convert("RGB")
                    np.testing.assert_array_equal(images[int(row["row"])], np.asarray(found))


@campaign
@given(st.data())
def test_pairs(data):
    """Splitting at tabs and line ends finds the same scores."""
    draw = data.draw
    rows = [list(row) for row in pairs.ROWS[pairs.TRAIN]]
    for row in rows:
        row[5] = draw(st.one_of(st.floats(-1, 6).map(lambda x: f"{x:.2f}"), numerals))
        row[3] += " " + draw(awkward)
    content = (b"\xef\xbb\xbf" if draw(st.booleans()) else b"") + pairs.text(rows).encode()
    with prepared(pairs, pairs.put(pairs.TRAIN, content)) as folder:
        lines = [line.rstrip("\r").split("\t") for line in content.decode("utf-8-sig").split("\n")[1:]]
        expected: dict[str, float] = {}
        for fields in lines:
            if len(fields) == 6 and 0 <= plain(fields[5]) <= 5:
                expected.setdefault("-".join(fields[:3]), plain(fields[5]))
        again = any('""' in f[1:-1] and f[0] == f[-1] == '"' for fields in lines for f in fields if len(f) > 3)
        assert (folder is None) <= (not expected or again)
        if folder is not None:
            assert {name: y for name, y in labels(folder).items() if name.startswith("news-2012-0")} == expected


@campaign
@given(st.data())
def test_vectors(data):
    """Splitting at blanks finds the same vectors."""
    draw = data.draw
    width = draw(st.integers(2, 6))
    numeral = st.one_of(st.floats(-9, 9, width=32).map(repr), st.floats(-9, 9, width=32).map(repr), numerals)
    words = ["a", "cat", "dog", "zebra", "the", "sits"]
    rows = [[word, *(draw(numeral) for _ in range(width))] for word in words]
    header = draw(st.sampled_from(["", f"{len(words)} {width}\n"]))
    content = header + "".join(" ".join(row) + "\n" for row in rows)
    with prepared(vectors, vectors.put(vectors.FILE, content)) as folder:
        if folder is None:
            return
        vocabulary = (folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
        found = dict(zip(vocabulary, np.load(folder / "vectors.npy"), strict=True))
        clean = [row for row in rows if all(NUMBER.fullmatch(cell) and not re.search(r"\s", cell) for cell in row[1:])]
        if len(clean) == len(rows):
            for word, *numbers in rows:
                if word in found:
                    np.testing.assert_array_equal(found[word], np.array(numbers, dtype=np.float32))
        assert all(np.isfinite(vector).all() for vector in found.values())


@campaign
@given(st.data())
def test_damaged_texts(data):
    """A damaged text of any format is refused, or what is prepared has finite labels."""
    module, file = data.draw(st.sampled_from(TEXTS))

    def damage(raw: Path) -> None:
        (raw / file).write_bytes(mutated(data.draw, (raw / file).read_bytes()))

    with prepared(module, damage) as folder:
        assert folder is None or all(np.isfinite(label) for label in labels(folder).values())


@campaign
@given(st.data())
def test_measurements(data):
    """NumPy finds the same labels."""
    rows = [[f"{cell:g}" for cell in row] for row in measurements.ROWS]
    for _ in range(data.draw(st.integers(0, 2))):
        rows[data.draw(st.integers(0, 5))][data.draw(st.integers(0, 5))] = data.draw(numerals)
    content = "".join("\t".join(row) + "\n" for row in rows)
    with prepared(measurements, measurements.put(measurements.FILE, content)) as folder:
        try:
            table = np.loadtxt(io.StringIO(content), ndmin=2, comments=None)
        except ValueError:
            table = np.zeros((0, 0))
        if folder is None:
            assert table.shape != (6, 6) or not np.isfinite(table).all() or "\n\n" in content or "\r" in content
        else:
            assert list(labels(folder).values()) == table[:, -1].tolist()


def test_the_campaign_is_large():
    """Of all formats, where the whole file runs."""
    assert len(RUNS) >= 1000, len(RUNS)
    print(f"{len(RUNS)} random files prepared or refused")
