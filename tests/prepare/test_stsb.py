"""STS-B-DIR from raw files to a step of training: what is prepared, refused and reported, and how it is loaded."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from supremix.data import text
from supremix.data.dataset import Data
from supremix.data.prepared.folder import sha256_file
from supremix.data.raw.words import find_vectors
from supremix.data.sentences import tokenise
from supremix.errors import UserError
from supremix.losses import SupReMixLoss
from supremix.prepare import stsb_dir
from supremix.prepare.twins import sentences
from supremix.prepare.twins.raw_folder import TwinOptions

ROOT = Path(__file__).parents[2]
SETTINGS = {"vector_width": 50, "max_length": 40, "target_unit": 5.0, "bin_size": 0.1}


def twin(out: Path, seed: int = 0) -> Path:
    """The raw folder of a small twin."""
    options = TwinOptions("stsb_dir", "tiny", seed, out, workers=1)
    sentences.generate(options)
    return options.folder


@pytest.fixture
def raw(tmp_path) -> Path:
    return twin(tmp_path)


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Path:
    """A prepared folder, not to be changed."""
    folder = tmp_path_factory.mktemp("stsb")
    return prepare(twin(folder), folder / "out")


def prepare(raw: Path, out: Path, split: str = "twin") -> Path:
    vectors = find_vectors(raw / sentences.VECTORS, raw)
    return stsb_dir.prepare(stsb_dir.raw_files(raw, raw, split), split, vectors, out)


def load(folder: Path, split: str = "twin", **changes) -> Data:
    return text.load_pairs(folder, name="stsb_dir", split=split, **(SETTINGS | changes))


def raw_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def manifest(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "manifest.csv").read_text().splitlines()))


def report(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "report.csv").read_text().splitlines()))


# ---- preparation


def test_prepared_folder_holds_every_pair(raw, tmp_path, capsys):
    folder = prepare(raw, tmp_path / "out")
    assert folder == tmp_path / "out" / "stsb_dir-twin-50d"
    written = {file.name for file in folder.iterdir()}
    arrays = {"tokens.npy", "lengths.npy", "vectors.npy"}
    assert written == {"manifest.csv", "meta.json", "report.csv", "stamps.json", "vocabulary.txt"} | arrays

    expected = [(part, row) for part, file in stsb_dir.FILES.items() for row in raw_rows(raw / file)]
    found = manifest(folder)
    assert len(found) == 60 + 24 + 24
    assert [row["id"] for row in found] == [f"twin-2012train-{row['old_index']}" for _, row in expected]
    assert [float(row["label"]) for row in found] == [float(row["score"]) for _, row in expected]
    assert [row["split"] for row in found] == [part for part, _ in expected]

    vocabulary = (folder / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
    tokens = iter(np.load(folder / "tokens.npy").tolist())
    lengths = np.load(folder / "lengths.npy")
    for (_, row), (length_a, length_b) in zip(expected, lengths.tolist(), strict=True):
        assert [vocabulary[next(tokens)] for _ in range(length_a)] == tokenise(row["sentence1"])
        assert [vocabulary[next(tokens)] for _ in range(length_b)] == tokenise(row["sentence2"])
    assert next(tokens, None) is None

    given = dict(line.split(" ", 1) for line in (raw / sentences.VECTORS).read_text().splitlines())
    vectors = np.load(folder / "vectors.npy")
    assert not vectors[0].any()
    missing = 0
    for word, vector in zip(vocabulary[1:], vectors[1:], strict=True):
        numbers = given.get(word, given.get(word.lower()))
        np.testing.assert_array_equal(vector, np.array((numbers or "0 " * 50).split(), dtype=np.float32))
        missing += numbers is None
    assert missing > 0

    meta = json.loads((folder / "meta.json").read_text())
    assert (meta["name"], meta["rows"], meta["split"], meta["synthetic"]) == ("stsb_dir", 108, "twin", True)
    assert meta["vectors"]["types"] == len(vocabulary) - 1
    assert meta["vectors"]["types_missing"] == missing
    assert meta["vectors"]["tokens"] == lengths.sum()
    assert "report.csv" not in meta["sha256"]
    printed = capsys.readouterr().out
    assert "60/24/24; the paper's table 12: 5249/1000/1000: differ" in printed
    assert f"words without a vector: {missing} of {len(vocabulary) - 1}" in printed


def test_prepared_again_is_byte_for_byte_the_same(raw, tmp_path):
    one, two = prepare(raw, tmp_path / "one"), prepare(raw, tmp_path / "two")
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes()


def test_prepared_twice_is_left_as_it_is(raw, tmp_path, capsys):
    folder = prepare(raw, tmp_path / "out")
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert prepare(raw, tmp_path / "out") == folder
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    assert "already prepared" in capsys.readouterr().out


def test_a_folder_made_with_other_vectors_is_not_taken_for_this_one(raw, tmp_path):
    prepare(raw, tmp_path / "out")
    other = shutil.copy(raw / sentences.VECTORS, raw / "other.txt")
    with pytest.raises(UserError, match=r"made with the vectors of vectors\.50d\.txt, not other\.txt"):
        stsb_dir.prepare(stsb_dir.raw_files(raw, raw, "twin"), "twin", find_vectors(other, raw), tmp_path / "out")


def test_a_folder_made_from_other_sentences_is_not_taken_for_this_one(raw, tmp_path):
    prepare(raw, tmp_path / "out")
    change(raw / "dev_new.tsv", 3, score="0.400")
    with pytest.raises(UserError, match="another source"):
        prepare(raw, tmp_path / "out")


def change(path: Path, row: int, **fields: str) -> dict[str, str]:
    """Change fields of one row (1 is the first under the header) and return the row as it was."""
    lines = path.read_text(encoding="utf-8").split("\n")
    before = dict(zip(sentences.HEADER, lines[row].split("\t"), strict=True))
    lines[row] = "\t".join((before | fields).values())
    path.write_text("\n".join(lines), encoding="utf-8")
    return before


@pytest.mark.parametrize(
    ("fields", "reason", "detail"),
    [
        ({"score": "nan"}, "score is not a finite number", "'nan'"),
        ({"score": "inf"}, "score is not a finite number", "'inf'"),
        ({"score": ""}, "score is not a finite number", "''"),
        ({"score": "3,5"}, "score is not a finite number", "'3,5'"),
        ({"score": "5.001"}, "score outside 0 to 5", "5.001"),
        ({"score": "-0.1"}, "score outside 0 to 5", "-0.1"),
        ({"sentence2": ""}, "a sentence without a word", "twin-2012train-0006"),
        ({"sentence1": "  "}, "a sentence without a word", "twin-2012train-0006"),
        ({"sentence1": "one\ttwo"}, "wrong number of fields", "11 instead of 10"),
        ({"old_index": "0002"}, "an id for the second time", "twin-2012train-0002, first: train_new.tsv:4"),
    ],
)
def test_a_damaged_row_is_dropped_and_named(raw, tmp_path, capsys, fields, reason, detail):
    change(raw / "train_new.tsv", 7, **fields)
    folder = prepare(raw, tmp_path / "out")
    (found,) = report(folder)
    assert (found["file"], found["action"], found["reason"]) == ("train_new.tsv:8", "dropped", reason)
    assert detail in found["detail"]
    ids = [row["id"] for row in manifest(folder)]
    assert len(ids) == 107
    assert "twin-2012train-0006" not in ids
    assert f"1 dropped: {reason}" in capsys.readouterr().out
    assert load(folder).sizes == {"train": 59, "val": 24, "test": 24}


def test_a_short_row_and_bytes_that_are_not_utf8(raw, tmp_path):
    path = raw / "test_new.tsv"
    lines = path.read_bytes().split(b"\n")
    lines[3] = b"\t".join(lines[3].split(b"\t")[:7])
    lines[5] = lines[5].replace(b"main", b"m\xe4in")
    lines.insert(9, b"")
    path.write_bytes(b"\n".join(lines))
    folder = prepare(raw, tmp_path / "out")
    assert [(row["file"], row["reason"], row["detail"]) for row in report(folder)] == [
        ("test_new.tsv:4", "wrong number of fields", "7 instead of 10"),
        ("test_new.tsv:6", "not UTF-8", "at byte 4"),
        ("test_new.tsv:10", "wrong number of fields", "1 instead of 10"),
    ]
    assert len(manifest(folder)) == 106


def test_stray_quotes_lose_no_row(raw, tmp_path):
    """A reader that pairs quotes would swallow everything between the two."""
    change(raw / "train_new.tsv", 3, sentence1='"An unpaired quote.')
    change(raw / "train_new.tsv", 30, sentence2='An unpaired one"')
    change(raw / "train_new.tsv", 12, sentence1='"A whole quotation."')
    folder = prepare(raw, tmp_path / "out")
    assert len(manifest(folder)) == 108
    found = [(row["file"], row["action"], row["reason"]) for row in report(folder)]
    assert found == [(f"train_new.tsv:{line}", "kept", "unpaired double quote") for line in (4, 31)]


def test_pairs_that_stand_twice_are_kept_named_and_counted(raw, tmp_path, capsys):
    row = raw_rows(raw / "train_new.tsv")[4]
    pair = {name: row[name] for name in ("sentence1", "sentence2")}
    change(raw / "train_new.tsv", 9, **pair)
    change(raw / "test_new.tsv", 2, **pair)
    folder = prepare(raw, tmp_path / "out")
    assert len(manifest(folder)) == 108
    assert [(row["file"], row["action"], row["reason"]) for row in report(folder)] == [
        ("train_new.tsv:10", "kept", "pair twice in its split"),
        ("test_new.tsv:3", "kept", "pair in train too"),
    ]
    assert "pairs that stand in train too: val 0, test 1" in capsys.readouterr().out


def test_windows_line_ends_and_a_byte_order_mark_change_no_pair(raw, tmp_path):
    before = prepare(raw, tmp_path / "before")
    for file in stsb_dir.FILES.values():
        (raw / file).write_bytes(b"\xef\xbb\xbf" + (raw / file).read_bytes().replace(b"\n", b"\r\n"))
    after = prepare(raw, tmp_path / "after")
    for file in ("manifest.csv", "tokens.npy", "report.csv"):
        assert (before / file).read_bytes() == (after / file).read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no column filename, year"),
        ("404: Not Found", "no column filename, year"),
        ("filename\tyear\told_index\tsentence1\tsentence2\n", "no column score, so its labels are hidden"),
        ("filename\tyear\told_index\tsentence1\tsentence2\tscore\n", "no usable row"),
    ],
)
def test_a_file_that_is_no_such_table(raw, tmp_path, content, message):
    (raw / "dev_new.tsv").write_text(content)
    with pytest.raises(UserError, match=rf"dev_new\.tsv: {message}"):
        prepare(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_named_with_the_way_to_get_it(raw, tmp_path):
    (raw / "test_new.tsv").unlink()
    with pytest.raises(UserError, match=r"test_new\.tsv: cannot be read.*--help` says where"):
        prepare(raw, tmp_path / "out")


def test_known_splits_are_the_published_files_and_no_others(raw, tmp_path):
    (raw / "SYNTHETIC").unlink()
    with pytest.raises(
        UserError, match=r"train_new\.tsv: its SHA-256 is not the one of the split 'yang'.*--split NAME"
    ):
        prepare(raw, tmp_path / "out", split="yang")
    meta = json.loads((prepare(raw, tmp_path / "out", split="mine") / "meta.json").read_text())
    assert meta["synthetic"] is False


def test_interruption_leaves_nothing(raw, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(raw, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_command_line(raw, tmp_path, monkeypatch, capsys):
    shutil.copytree(raw, tmp_path / "data" / "stsb_dir_mine")
    monkeypatch.setenv("SUPREMIX_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SUPREMIX_PREPARED", str(tmp_path / "out"))
    assert stsb_dir.main(["--split", "mine", "--vectors", str(raw / sentences.VECTORS)]) == 0
    assert (tmp_path / "out" / "stsb_dir-mine-50d" / "meta.json").is_file()
    assert stsb_dir.main(["--split", "other", "--vectors", str(raw / sentences.VECTORS)]) == 1
    assert stsb_dir.main(["--split", "no/name", "--vectors", str(raw / sentences.VECTORS)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert [line.startswith("error: ") for line in errors] == [True, True]
    assert str(tmp_path / "data" / "stsb_dir_other" / "train_new.tsv") in errors[0]
    assert "--split no/name" in errors[1]


def test_download_takes_the_published_file_only(raw, tmp_path, monkeypatch):
    sums = [sha256_file(raw / file) for file in stsb_dir.FILES.values()]
    monkeypatch.setitem(stsb_dir.URLS, "yang", raw.as_uri())
    monkeypatch.setitem(stsb_dir.SUMS, "yang", sums)
    files = stsb_dir.raw_files(None, tmp_path / "data", "yang")
    assert sorted(file.name for file in (tmp_path / "data" / "stsb_dir").iterdir()) == sorted(stsb_dir.FILES.values())
    assert [sha256_file(path) for path in files.values()] == sums
    monkeypatch.setitem(stsb_dir.SUMS, "yang", [*sums[:2], "0" * 64])
    with pytest.raises(UserError, match=r"test_new\.tsv: not there, and the download failed.*put it there"):
        stsb_dir.raw_files(None, tmp_path / "fresh", "yang")
    assert not list((tmp_path / "fresh").rglob("*test*"))


def test_help_states_source_and_terms_without_heavy_imports():
    code = (
        "import runpy, sys; sys.argv = ['stsb_dir.py', '--help']\n"
        "try: runpy.run_path('data_prep/stsb_dir.py', run_name='__main__')\n"
        "except SystemExit: print(sorted({'numpy', 'nltk', 'pandas', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "CC BY-SA 4.0" in done.stdout
    assert "Public Domain Dedication" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


# ---- loading


def test_a_batch_is_padded_to_its_own_longest_sentence(whole):
    data = load(whole)
    lengths = np.load(whole / "lengths.npy")[60:84]
    index_B = np.array([5, 0, 17])
    x = data.val.fetch(index_B)
    assert set(x) == {"a", "a_length", "b", "b_length"}
    assert all(value.dtype == torch.int64 for value in x.values())
    for column, side in enumerate(("a", "b")):
        assert x[f"{side}_length"].tolist() == lengths[index_B, column].tolist()
        assert x[side].shape == (3, lengths[index_B, column].max())
        real = torch.arange(x[side].shape[1]) < x[f"{side}_length"][:, None]
        assert torch.equal(x[side] > 0, real)


def test_tokens_are_those_of_the_row(whole):
    data = load(whole)
    vocabulary = (whole / "vocabulary.txt").read_text().splitlines()
    raw = raw_rows(whole.parents[1] / "stsb_dir_tiny" / "test_new.tsv")
    for i, row in enumerate(raw):
        x = data.test.fetch(np.array([i]))
        assert data.test.ids[i] == f"twin-2012train-{row['old_index']}"
        assert data.test.y[i] == float(row["score"])
        for side, sentence in (("a", "sentence1"), ("b", "sentence2")):
            assert [vocabulary[token] for token in x[side][0]] == tokenise(row[sentence])


@pytest.mark.parametrize("max_length", [1, 7])
def test_long_sentences_are_cut(whole, max_length):
    everything = np.arange(24)
    whole_x, x = load(whole).val.fetch(everything), load(whole, max_length=max_length).val.fetch(everything)
    assert whole_x["a"].shape[1] > 7
    for side in ("a", "b"):
        assert x[side].shape == (24, max_length)
        assert torch.equal(x[f"{side}_length"], whole_x[f"{side}_length"].clamp(max=max_length))
        assert torch.equal(x[side], whole_x[side][:, :max_length])


def test_what_training_is_told(whole):
    data = load(whole)
    assert data.sizes == {"train": 60, "val": 24, "test": 24}
    assert data.synthetic
    assert data.target.encode(np.array([0.0, 2.5, 5.0])).tolist() == [0.0, 0.5, 1.0]
    assert data.target.decode(np.array([1.0])).tolist() == [5.0]
    np.testing.assert_array_equal(data.input_spec["vectors"].numpy(), np.load(whole / "vectors.npy"))
    assert data.extras["split"] == "twin"
    assert data.extras["vectors"]["file"] == sentences.VECTORS
    assert json.loads(json.dumps(data.extras)) == data.extras


def test_flat_inputs_are_mean_word_vectors(whole):
    data = load(whole)
    flat = data.flatten(data.val.fetch(np.array([3, 8])))
    vectors, x = data.input_spec["vectors"], data.val.fetch(np.array([8]))
    u, v = vectors[x["a"][0]].mean(0), vectors[x["b"][0]].mean(0)
    assert flat.shape == (2, 200)
    torch.testing.assert_close(flat[1], torch.cat([u, v, (u - v).abs(), u * v]), rtol=1e-5, atol=1e-6)


def test_the_twin_s_sentences_tell_the_score(whole):
    data = load(whole)
    u, v, *_ = data.flatten(data.train.fetch(np.arange(60))).split(50, dim=1)
    cosine = torch.nn.functional.cosine_similarity(u, v).numpy()
    assert np.corrcoef(cosine, data.train.y)[0, 1] > 0.6


def bins(scores: np.ndarray) -> np.ndarray:
    return np.floor(10 * np.round(scores, 3) + 0.5) / 10


def test_bins_of_all_scores_with_three_digits(whole):
    scores = np.arange(5001) / 1000
    np.testing.assert_allclose(load(whole).label_bins(scores), bins(scores), rtol=0, atol=1e-9)


def test_missing_folder_names_the_command(tmp_path):
    with pytest.raises(UserError, match=r"run `supremix prepare stsb_dir --split authors --out .*`, or set") as caught:
        load(tmp_path / "stsb_dir-authors-50d", split="authors")
    assert "--vectors" not in str(caught.value)
    with pytest.raises(UserError, match="--vectors FILE` with 300 numbers a word"):
        load(tmp_path / "stsb_dir-yang-300d", split="yang", vector_width=300)


def damage(folder: Path, file: str, make) -> None:
    np.save(folder / file, make(np.load(folder / file)))


def put(index, value):
    def make(array):
        array[index] = value
        return array

    return make


def truncate(folder: Path, file: str) -> None:
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


DAMAGES = {
    "tokens gone": (lambda f: (f / "tokens.npy").unlink(), r"tokens\.npy: missing"),
    "tokens truncated": (lambda f: truncate(f, "tokens.npy"), r"tokens\.npy: truncated"),
    "vectors truncated": (lambda f: truncate(f, "vectors.npy"), r"vectors\.npy: truncated"),
    "lengths of floats": (
        lambda f: damage(f, "lengths.npy", lambda a: a.astype(float)),
        r"lengths\.npy: found float64 \(108, 2\), expected int32 \(108, 2\)",
    ),
    "a row less": (lambda f: damage(f, "lengths.npy", lambda a: a[:-1]), r"expected int32 \(108, 2\)"),
    "an empty sentence": (lambda f: damage(f, "lengths.npy", put((4, 1), 0)), "row 5, sentence 2 has no token"),
    "a token less": (lambda f: damage(f, "tokens.npy", lambda a: a[1:]), r"tokens, but lengths\.npy adds up to"),
    "an unknown token": (lambda f: damage(f, "tokens.npy", put(3, 9999)), "a token number outside"),
    "padding as a token": (lambda f: damage(f, "tokens.npy", put(3, 0)), "a token number outside 1 to"),
    "a vector with NaN": (lambda f: damage(f, "vectors.npy", put((7, 2), np.nan)), r"vectors\.npy: row 7 has"),
    "another token": (lambda f: damage(f, "tokens.npy", put(3, 1)), r"tokens\.npy: its SHA-256"),
    "another vector": (lambda f: damage(f, "vectors.npy", put((7, 2), 3.5)), r"vectors\.npy: its SHA-256"),
    "another word": (lambda f: edit(f, "vocabulary.txt", "the", "them"), r"vocabulary\.txt: its SHA-256"),
    "label NaN": (lambda f: edit(f, "manifest.csv", "0004,", "0004,nan"), r"row 5 .*'twin-2012train-0004'.*nan"),
    "label changed": (lambda f: edit(f, "manifest.csv", ",train", "1,train"), r"manifest\.csv: its SHA-256"),
    "split renamed": (lambda f: edit(f, "manifest.csv", "split", "part"), r"manifest\.csv: "),
    "meta of another split": (lambda f: edit(f, "meta.json", '"twin"', '"yang"'), "holds the split 'yang', not 'twin'"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_prepared_folder_is_refused(whole, tmp_path, name):
    folder = shutil.copytree(whole, tmp_path / whole.name)
    spoil, message = DAMAGES[name]
    spoil(folder)
    with pytest.raises(UserError, match=message) as caught:
        load(folder)
    assert "supremix prepare stsb_dir --split twin --out" in str(caught.value)


def test_a_manifest_without_splits_is_refused(whole, tmp_path):
    folder = shutil.copytree(whole, tmp_path / whole.name)
    edit(folder, "manifest.csv", "split", "part")
    meta = json.loads((folder / "meta.json").read_text())
    meta["sha256"]["manifest.csv"] = sha256_file(folder / "manifest.csv")
    (folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(UserError, match=r"manifest\.csv: no split column"):
        load(folder)


def test_vectors_of_another_width_are_refused(whole):
    with pytest.raises(UserError, match=r"50 numbers a word, but dataset\.vector_width=300"):
        load(whole, vector_width=300)


@pytest.mark.parametrize("setting", [{"max_length": 0}, {"target_unit": 0.0}])
def test_an_impossible_setting_is_named(whole, setting):
    with pytest.raises(UserError, match=next(iter(setting))):
        load(whole, **setting)


# ---- configs


def composed(*overrides: str):
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose("config", list(overrides))


def test_recipe_of_the_paper():
    for dataset in ("stsb_dir", "stsb_dir_full"):
        recipe = composed(f"dataset={dataset}").dataset.recipe
        assert (recipe.temperature, recipe.window, list(recipe.beta)) == (1.0, 1.0, [2, 8])
        assert (recipe.pretrain.lr, recipe.pretrain.batch_size, recipe.projection.out) == (1e-3, 128, 128)
        assert (recipe.adapt.epochs, recipe.adapt.loss, recipe.vanilla.loss, recipe.select) == (
            100,
            "l1",
            "mse",
            "mse",
        )
    for epochs in ([], ["protocol.epochs=200"]):
        protocol = composed("dataset=stsb_dir", *epochs).protocol
        assert protocol.scheduler.T_max == protocol.epochs, "the rate would rise again, or stop half-way"
    full = composed("dataset=stsb_dir_full").dataset
    assert (full.vector_width, full.recipe.backbone.layers, full.recipe.backbone.hidden) == (300, 2, 1500)
    assert full.recipe.vanilla.lr == 1e-4
    assert composed("dataset=stsb_dir").dataset.recipe.vanilla.epochs == 15


def test_the_split_chooses_the_folder():
    cfg = composed("dataset=stsb_dir", "dataset.split=authors", "paths.prepared=p")
    assert cfg.dataset.load.folder == "p/stsb_dir-authors-50d"
    assert composed("dataset=stsb_dir_full", "paths.prepared=p").dataset.load.folder == "p/stsb_dir-yang-300d"


def wide_vectors(raw: Path, width: int) -> Path:
    """Random vectors in GloVe's format for the words of a twin."""
    rng = np.random.default_rng(0)
    words = [line.split(" ", 1)[0] for line in (raw / sentences.VECTORS).read_text().splitlines()]
    path = raw / f"vectors.{width}d.txt"
    path.write_text("".join(f"{w} " + " ".join(f"{x:.4f}" for x in rng.normal(size=width)) + "\n" for w in words))
    return path


@pytest.mark.whole
@pytest.mark.parametrize(("dataset", "width"), [("stsb_dir", 50), ("stsb_dir_full", 300)])
def test_both_sizes_take_a_step(raw, tmp_path, dataset, width):
    vectors = find_vectors(wide_vectors(raw, width), raw)
    stsb_dir.prepare(stsb_dir.raw_files(raw, raw, "twin"), "twin", vectors, tmp_path / "out")
    cfg = composed(f"dataset={dataset}", "dataset.split=twin", f"paths.prepared={tmp_path / 'out'}")
    data = instantiate(cfg.dataset.load)
    backbone = instantiate(cfg.backbone.build, **data.input_spec)
    projection = instantiate(cfg.method.projection, in_features=backbone.out_dim)
    criterion = SupReMixLoss(cfg.method.temperature, cfg.method.window, label_range=data.label_range)
    model = torch.nn.Sequential(backbone, projection)
    optimizer = instantiate(cfg.method.pretrain.optimizer)(model.parameters())
    index_B = np.arange(4)
    y_B = torch.from_numpy(data.label_bins(data.train.y[index_B]))
    before = backbone.rightward[-1].weight_hh_l0.detach().clone()
    loss = criterion(model(data.train.fetch(index_B)), y_B)
    assert loss.item() > 0
    loss.backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    optimizer.step()
    assert not torch.equal(backbone.rightward[-1].weight_hh_l0, before)


def test_a_run_from_the_command_line_s_config(whole, tmp_path):
    from supremix.experiment.run import run

    cfg = composed(
        "dataset=stsb_dir",
        "dataset.split=twin",
        f"paths.prepared={whole.parent}",
        f"paths.runs={tmp_path}",
        "dataset.recipe.backbone.hidden=8",
        "dataset.recipe.pretrain.epochs=2",
        "dataset.recipe.adapt.epochs=2",
        "tracking=none",
        "trainer.progress=off",
        "trainer.log_every=1",
    )
    record = json.loads((run(cfg) / "record.json").read_text())
    assert record["synthetic"] is True
    assert record["data"]["sizes"] == {"train": 60, "val": 24, "test": 24}
    assert 0 < record["metrics"]["test"]["last"]["mse"] < 25


# ---- the real files


@pytest.mark.whole
@pytest.mark.parametrize(
    ("split", "folder", "val_in_train", "test_in_train"),
    [("yang", "stsb_dir", 8, 15), ("authors", "stsb_dir_authors", 15, 10)],
)
def test_real_files(real_data, tmp_path, capsys, split, folder, val_in_train, test_in_train):
    source = real_data(f"{folder}/train_new.tsv").parent
    vectors = find_vectors(real_data("glove/glove.6B.50d.stsb.txt"), source)
    prepared = stsb_dir.prepare(stsb_dir.raw_files(source, source, split), split, vectors, tmp_path)
    printed = capsys.readouterr().out
    assert "5249/1000/1000; the paper's table 12: 5249/1000/1000: match" in printed
    assert f"pairs that stand in train too: val {val_in_train}, test {test_in_train}" in printed
    assert all(row["action"] == "kept" for row in report(prepared))

    data = load(prepared, split=split)
    assert data.sizes == {"train": 5249, "val": 1000, "test": 1000}
    assert data.label_range == 5.0
    assert not data.synthetic
    facts = data.extras["vectors"]
    assert (facts["types"], facts["types_missing"], facts["tokens"], facts["tokens_missing"]) == (
        17011, 908, 166977, 1286,
    )  # fmt: skip
    for rows in (data.train, data.val, data.test):
        np.testing.assert_allclose(data.label_bins(rows.y), bins(rows.y), rtol=0, atol=1e-9)
        assert int(rows.fetch(np.arange(len(rows)))["a_length"].max()) <= 40
