"""data_prep/uci_airfoil.py: what it writes, what it refuses, and that it never leaves half a folder."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from supremix.data import tabular
from supremix.errors import UserError
from supremix.prepare import uci_airfoil
from supremix.prepare.shared.working_folder import atomic_folder

SIZES = {"train": 1203, "val": 150, "test": 150}


def raw_text(rows: int = 1503) -> str:
    """Made-up content in the published file's format: tabs and CR LF."""
    rng = np.random.default_rng(0)
    table = rng.uniform(0.001, 1000, (rows, 6)).round(3)
    return "".join("\t".join(f"{value:g}" for value in row) + "\r\n" for row in table)


def write(path: Path, text: str) -> tuple[Path, str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path, hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def source(tmp_path) -> tuple[Path, str]:
    return write(tmp_path / "data" / "uci_airfoil" / "airfoil_self_noise.dat", raw_text())


@pytest.fixture
def main(monkeypatch, capsys):
    """Run the command line on made-up data; returns status, stdout, stderr. No address outside is reached."""
    sha256 = hashlib.sha256(raw_text().encode()).hexdigest()
    monkeypatch.setattr(uci_airfoil, "SHA256", sha256)
    monkeypatch.setattr(uci_airfoil.prepare, "__kwdefaults__", {"expected_sha256": sha256})
    monkeypatch.setattr(uci_airfoil, "URL", "http://127.0.0.1:9/airfoil_self_noise.dat")

    def run(*arguments: object) -> tuple[int, str, str]:
        status = uci_airfoil.main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run


def test_prepared_folder_holds_the_raw_values(source, tmp_path):
    path, sha256 = source
    folder = uci_airfoil.prepare(path, tmp_path / "out", expected_sha256=sha256)
    assert folder == tmp_path / "out" / "uci_airfoil"
    assert sorted(file.name for file in folder.iterdir()) == ["features.npy", "manifest.csv", "meta.json"]

    expected = np.loadtxt(path)
    features = np.load(folder / "features.npy")
    assert features.dtype == np.float64
    np.testing.assert_array_equal(features, expected[:, :5])
    lines = (folder / "manifest.csv").read_text().splitlines()
    assert lines[0] == "id,label"
    assert lines[1].split(",")[0] == "airfoil-0001"
    assert lines[-1].split(",")[0] == "airfoil-1503"
    np.testing.assert_array_equal([float(line.split(",")[1]) for line in lines[1:]], expected[:, 5])

    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["name"], meta["format"], meta["rows"], meta["synthetic"]) == ("uci_airfoil", 1, 1503, False)
    assert meta["features"] == ["frequency_hz", "angle_deg", "chord_m", "velocity_m_s", "displacement_m"]
    assert meta["source"]["sha256"] == sha256
    for file in ("manifest.csv", "features.npy"):
        assert meta["sha256"][file] == hashlib.sha256((folder / file).read_bytes()).hexdigest()


def test_prepared_again_is_byte_for_byte_the_same(source, tmp_path):
    path, sha256 = source
    one = uci_airfoil.prepare(path, tmp_path / "one", expected_sha256=sha256)
    two = uci_airfoil.prepare(path, tmp_path / "two", expected_sha256=sha256)
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes()


def damage(text: str, row: int, line: str) -> str:
    lines = text.splitlines(keepends=True)
    lines[row - 1] = line + "\r\n"
    return "".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (raw_text(1200), "truncated, 1200 of 1503 rows"),
        (raw_text()[:20000], r"truncated, \d+ of 1503 rows"),
        ("", "truncated, 0 of 1503 rows"),
        (raw_text(1504), "1504 rows instead of 1503"),
        (damage(raw_text(), 17, "800\tx\t0.3\t71.3\t0.002\t126.2"), r"row 17 is malformed.*'800\\tx"),
        (damage(raw_text(), 18, "800\t0.3\t71.3\t0.002\t126.2"), "row 18 is malformed"),
        (damage(raw_text(), 19, "800\t0\t0.3\t71.3\t0.002\tnan"), "row 19 is malformed"),
        (raw_text().rstrip()[:-8], "row 1503 is malformed"),
        ("<!DOCTYPE html><html>not found</html>", "row 1 is malformed.*<!DOCTYPE"),
        (
            damage(raw_text(), 20, "800\t0\t0.3\t71.3\t0.002\t126.2"),
            "1503 good rows, but its SHA-256 differs",
        ),
        (raw_text().replace("\r\n", "\n"), "SHA-256 differs.*line endings"),
    ],
)
def test_damaged_source_is_named_and_nothing_is_written(source, tmp_path, text, message):
    path, sha256 = source
    write(path, text)
    with pytest.raises(UserError, match=message) as caught:
        uci_airfoil.prepare(path, tmp_path / "out", expected_sha256=sha256)
    assert str(caught.value).startswith(f"{path}: ")
    assert "get the file again from" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", ["nowhere.dat", "."])
def test_unreadable_source(tmp_path, file):
    with pytest.raises(UserError, match="cannot be read"):
        uci_airfoil.prepare(tmp_path / file, tmp_path / "out")


def test_good_folder_is_left_alone(source, tmp_path, main):
    arguments = ("--data", tmp_path / "data", "--out", tmp_path / "out")
    status, out, err = main(*arguments)
    assert (status, err) == (0, "")
    assert "1503 rows, 5 features" in out
    assert str(tmp_path / "out" / "uci_airfoil") in out
    meta = tmp_path / "out" / "uci_airfoil" / "meta.json"
    before = meta.stat().st_mtime_ns
    source[0].unlink()  # not needed any more
    status, out, err = main(*arguments)
    assert (status, err) == (0, "")
    assert "already prepared" in out
    assert meta.stat().st_mtime_ns == before


@pytest.mark.parametrize("spoil", ["truncate", "remove meta", "remove array", "other source", "foreign folder"])
def test_bad_folder_is_refused_not_replaced(source, tmp_path, spoil):
    path, sha256 = source
    folder = tmp_path / "out" / "uci_airfoil"
    if spoil == "foreign folder":
        write(folder / "thesis.tex", "precious")
    else:
        uci_airfoil.prepare(path, tmp_path / "out", expected_sha256=sha256)
    if spoil == "truncate":
        (folder / "features.npy").write_bytes(b"")
    elif spoil == "remove meta":
        (folder / "meta.json").unlink()
    elif spoil == "remove array":
        (folder / "features.npy").unlink()
    elif spoil == "other source":
        sha256 = "0" * 64
    before = sorted(folder.iterdir())
    with pytest.raises(UserError, match=f"move or delete {folder} and run"):
        uci_airfoil.prepare(path, tmp_path / "out", expected_sha256=sha256)
    assert sorted(folder.iterdir()) == before


def test_interruption_leaves_nothing(source, tmp_path, monkeypatch):
    path, sha256 = source

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        uci_airfoil.prepare(path, tmp_path / "out", expected_sha256=sha256)
    assert list((tmp_path / "out").iterdir()) == []


def test_output_that_cannot_be_written(source, tmp_path):
    path, sha256 = source
    (tmp_path / "out").write_text("a file, not a directory")
    with pytest.raises(UserError, match="cannot be written"):
        uci_airfoil.prepare(path, tmp_path / "out", expected_sha256=sha256)


def test_explicit_source_comes_first(source, tmp_path, main):
    elsewhere, _ = write(tmp_path / "elsewhere.dat", raw_text())
    write(source[0], "damaged")
    status, out, _ = main("--source", elsewhere, "--data", tmp_path / "data", "--out", tmp_path / "out")
    assert status == 0
    assert str(elsewhere) in out


def test_directories_from_the_environment(source, tmp_path, main, monkeypatch):
    monkeypatch.setenv("SUPREMIX_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SUPREMIX_PREPARED", str(tmp_path / "from_env"))
    assert main()[0] == 0
    assert (tmp_path / "from_env" / "uci_airfoil" / "meta.json").is_file()


def test_download_into_the_data_directory(tmp_path, main, monkeypatch):
    remote, _ = write(tmp_path / "remote.dat", raw_text())
    monkeypatch.setattr(uci_airfoil, "URL", remote.as_uri())
    assert main("--data", tmp_path / "fresh", "--out", tmp_path / "out")[0] == 0
    files = list((tmp_path / "fresh" / "uci_airfoil").iterdir())
    assert [file.name for file in files] == ["airfoil_self_noise.dat"]
    assert files[0].read_bytes() == remote.read_bytes()


@pytest.mark.parametrize("remote", [None, "<!DOCTYPE html>\n<p>log in first</p>\n", raw_text(900)])
def test_failed_download_says_where_the_file_goes(tmp_path, main, monkeypatch, remote):
    if remote is not None:
        monkeypatch.setattr(uci_airfoil, "URL", write(tmp_path / "remote", remote)[0].as_uri())
    status, out, err = main("--data", tmp_path / "fresh", "--out", tmp_path / "out")
    assert (status, out) == (1, "")
    assert err.startswith(f"error: {tmp_path / 'fresh' / 'uci_airfoil' / 'airfoil_self_noise.dat'}: not there")
    assert err.count("\n") == 1
    assert "put it there" in err
    assert not list(tmp_path.rglob("airfoil_self_noise*"))


def test_help_states_source_and_terms_without_heavy_imports():
    code = (
        "import runpy, sys; sys.argv = ['uci_airfoil.py', '--help']\n"
        "try: runpy.run_path('data_prep/uci_airfoil.py', run_name='__main__')\n"
        "except SystemExit: print(sorted({'numpy', 'pandas', 'torch'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert "CC BY 4.0" in done.stdout
    assert "10.24432/C5VW2C" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_atomic_folder_refuses_an_existing_one(tmp_path):
    with pytest.raises(UserError, match="already exists"), atomic_folder(tmp_path):
        pass


def test_real_file(real_data, tmp_path):
    folder = uci_airfoil.prepare(real_data("uci_airfoil/airfoil_self_noise.dat"), tmp_path)
    data = tabular.load_table(folder, name="uci_airfoil", sizes=SIZES, split_seed=0, scaling="raw", bin_size=1.0)
    assert data.sizes == SIZES
    assert data.input_spec == {"in_features": 5}
    splits = (data.train, data.val, data.test)
    label = {row_id: y for split in splits for row_id, y in zip(split.ids, split.y, strict=True)}
    assert len(label) == 1503
    assert (label["airfoil-0001"], label["airfoil-1503"]) == (126.201, 104.204)
    assert (min(label.values()), max(label.values())) == (103.38, 140.987)
