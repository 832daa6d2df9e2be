"""Loading prepared faces: what is fetched, what is refused, and the configs of the face datasets."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from supremix.data import images
from supremix.data.dataset import Data
from supremix.data.images import load_images
from supremix.errors import UserError
from supremix.prepare.shared.prepared import write_manifest, write_meta
from supremix.settings.compose import CONF
from tests.face_views import colour_views

N, PIXELS = 20, 8
SPLITS = ["train", "train", "val", "train", "test"] * 4
ROWS = [row for row in range(N + 3) if row not in (0, 7, 11)]  # three images could not be decoded


def faces() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (N + 3, PIXELS, PIXELS, 3), dtype=np.uint8)


def seal(folder: Path, **changes) -> None:
    """(Re)write meta.json for what the folder holds."""
    (folder / "meta.json").unlink(missing_ok=True)
    meta = {"name": "toy", "rows": N, "label": "age, years", "pixels": PIXELS, "images": N + 3, "synthetic": True}
    write_meta(folder, **(meta | {"source": {"file": "toy", "sha256": "0" * 64, "url": ""}} | changes))


def columns(**changes) -> dict[str, list]:
    return {
        "id": [f"face-{i}" for i in range(N)],
        "label": [float(20 + i) for i in range(N)],
        "split": SPLITS,
        "row": ROWS,
    } | changes


@pytest.fixture
def folder(tmp_path) -> Path:
    path = tmp_path / "toy"
    path.mkdir()
    write_manifest(path, columns())
    np.save(path / "faces.npy", faces())
    seal(path)
    return path


def load(folder: Path, **changes) -> Data:
    settings = {"name": "toy", "pixels": PIXELS, "bin_size": 1, "views": colour_views(), "padding": 2, "flip": 0.5}
    return load_images(folder, **settings | changes)


def test_splits_are_the_manifests(folder):
    data = load(folder)
    assert data.sizes == {"train": 12, "val": 4, "test": 4}
    assert data.val.ids.tolist() == ["face-2", "face-7", "face-12", "face-17"]
    assert data.val.y.tolist() == [22.0, 27.0, 32.0, 37.0]
    assert data.val.y.dtype == np.float64
    assert (data.synthetic, data.bin_size, data.input_spec, data.label_range) == (True, 1, {}, 18.0)
    assert (data.target.mean, data.target.std) == (0.0, 1.0)


@pytest.mark.parametrize("index", [[0], [0, 1, 2, 3], [3, 0, 2, 1], [2, 2, 0], []])
def test_fetch_gives_the_rows_asked_for_in_their_order(folder, index):
    data = load(folder)
    batch = data.val.fetch(np.array(index, dtype=np.int64))
    assert (batch.dtype, batch.shape) == (torch.uint8, (len(index), 3, PIXELS, PIXELS))
    of_split = [i for i, split in enumerate(SPLITS) if split == "val"]
    expected = faces()[[ROWS[of_split[i]] for i in index]].transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(batch.numpy(), expected)


def test_fetch_takes_tensors_and_leaves_the_file_alone(folder):
    before = (folder / "faces.npy").read_bytes()
    data = load(folder)
    batch = data.train.fetch(torch.tensor([4, 1]))
    batch.fill_(0)
    assert (folder / "faces.npy").read_bytes() == before
    assert data.train.fetch(np.array([4])).any()


def test_images_are_mapped_not_read(folder, monkeypatch):
    read = []
    load_array = np.load
    monkeypatch.setattr(np, "load", lambda *a, **k: read.append(k.get("mmap_mode")) or load_array(*a, **k))
    load(folder)
    assert read == ["r"]


def test_input_is_in_minus_one_to_one(folder):
    data = load(folder)
    batch = data.test.fetch(np.arange(4))
    x = data.to_input(batch)
    assert x.dtype == torch.float32
    torch.testing.assert_close(x, (batch.float() / 255 - 0.5) / 0.5)


def test_flat_rows_for_regressors_on_raw_pixels(folder):
    data = load(folder)
    batch = data.test.fetch(np.arange(4))
    torch.testing.assert_close(data.flatten(batch), batch.reshape(4, -1).float() / 255)
    large = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    large[:, :, ::2] = 255
    flat = data.flatten(large)
    assert flat.shape == (2, 3 * 32 * 32)
    torch.testing.assert_close(flat, torch.full_like(flat, 0.5))


@pytest.mark.parametrize(("flip", "grey"), [(0.0, 0.0), (0.5, 0.2)])
def test_views(folder, flip, grey):
    data = load(folder, views=colour_views(flip=flip, grey=grey))
    views = data.contrastive_views
    assert (views.flip, views.grey) == (flip, grey)
    assert data.training_views.padding == 2
    batch = data.train.fetch(np.arange(5))
    for make in (views, data.training_views):
        x = make(batch, torch.rand(5, make.draws, generator=torch.Generator().manual_seed(0)))
        assert (x.shape, x.dtype) == (batch.shape, torch.float32)


def test_identity_follows_the_content(folder):
    first = load(folder).sha256
    assert load(folder, views=colour_views(grey=0.2), padding=0).sha256 == first
    (folder / "report.csv").write_text("file,action,reason,detail\n")
    assert load(folder).sha256 == first
    changed = faces()
    changed[5] += 1
    np.save(folder / "faces.npy", changed)
    (folder / "report.csv").unlink()
    seal(folder)
    second = load(folder).sha256
    assert second != first
    write_manifest(folder, columns(label=[float(21 + i) for i in range(N)]))
    seal(folder)
    assert load(folder).sha256 not in (first, second)


def cut(folder: Path) -> None:
    (folder / "faces.npy").write_bytes((folder / "faces.npy").read_bytes()[:-50])


def rewrite(**changes):
    def change(folder: Path) -> None:
        write_manifest(folder, columns(**changes))
        seal(folder)

    return change


def replace_array(array: np.ndarray):
    def change(folder: Path) -> None:
        np.save(folder / "faces.npy", array)
        seal(folder)

    return change


def strip_column(folder: Path) -> None:
    kept = columns()
    del kept["row"]
    write_manifest(folder, kept)
    seal(folder)


LABELS = [float(20 + i) for i in range(N)]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "faces.npy: truncated or not a .npy file"),
        (lambda f: (f / "faces.npy").unlink(), "faces.npy: missing"),
        (lambda f: (f / "faces.npy").write_bytes((f / "faces.npy").read_bytes() + b"x"), r"faces.npy: \d+ bytes, not"),
        (lambda f: (f / "meta.json").unlink(), "meta.json: missing"),
        (lambda f: seal(f, rows=N - 1), "20 rows, but meta.json says 19"),
        (lambda f: seal(f, images=99), r"found uint8 \(23, 8, 8, 3\), expected uint8 \(99, 8, 8, 3\)"),
        (replace_array(np.zeros((N + 3, PIXELS, PIXELS, 3))), r"found float64 .*expected uint8"),
        (replace_array(np.zeros((N + 3, 3, PIXELS, PIXELS), dtype=np.uint8)), r"found uint8 \(23, 3, 8, 8\)"),
        (rewrite(label=[*LABELS[:4], float("nan"), *LABELS[5:]]), r"row 5 \(id 'face-4'\) has the label 'nan'"),
        (rewrite(id=[*columns()["id"][:-1], "face-0"]), "id 'face-0' stands in row 1 and again in row 20"),
        (rewrite(row=[*ROWS[:-1], N + 3]), r"row 20 \(id 'face-19'\) has the row '23', not 0 to 22"),
        (rewrite(row=[*ROWS[:-1], -1]), "has the row '-1', not 0 to 22"),
        (rewrite(row=[*ROWS[:-1], ROWS[2]]), "has the row '3', again the image of row 3"),
        (rewrite(split=["train"] * N), "no row has the split val"),
        (rewrite(label=[30.0] * N), "all 12 training rows have the label 30"),
        (strip_column, "no row column"),
        (lambda f: write_manifest(f, columns(label=LABELS[::-1])), "SHA-256 is not the one in meta.json"),
    ],
)
def test_damaged_folder_is_refused(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError, match=message) as caught:
        load(folder)
    assert "toy" in str(caught.value)


def test_missing_folder_names_the_commands(tmp_path):
    with pytest.raises(UserError, match=r"run `supremix prepare agedb_dir --out .*`, or set paths.prepared"):
        load(tmp_path / "agedb_dir")
    twin = r"`supremix twin agedb_dir --size demo && supremix prepare agedb_dir --name agedb_dir_demo"
    with pytest.raises(UserError, match=twin):
        load(tmp_path / "agedb_dir_demo")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"pixels": 16}, r"prepared with 8 pixels, but dataset.load.pixels=16.*--pixels 16"),
        ({"padding": 8}, "padding=8: use 0 to 7"),
        ({"padding": -1}, "padding=-1: use 0 to 7"),
        ({"bin_size": 0}, "bin_size=0"),
    ],
)
def test_impossible_setting(folder, setting, message):
    with pytest.raises(UserError, match=message):
        load(folder, **setting)


def composed(*overrides: str):
    with initialize_config_dir(config_dir=str(CONF), version_base="1.3"):
        cfg = compose("config", overrides=list(overrides))
    OmegaConf.to_container(cfg, resolve=True, throw_on_missing=True)
    return cfg


@pytest.mark.parametrize(("dataset", "temperature", "batch_size"), [("agedb_dir", 0.5, 128), ("imdb_wiki", 0.3, 64)])
def test_config_has_the_papers_values(dataset, temperature, batch_size):
    cfg = composed(f"dataset={dataset}")
    recipe = cfg.dataset.recipe
    assert (recipe.temperature, recipe.window, list(recipe.beta)) == (temperature, 5, [2, 8])
    assert (recipe.pretrain.lr, recipe.pretrain.batch_size, recipe.projection.out) == (1e-3, batch_size, 128)
    assert (cfg.dataset.load.pixels, cfg.dataset.load.bin_size, cfg.dataset.load.views.grey) == (224, 1, 0)
    assert (cfg.backbone.name, cfg.protocol.name) == ("resnet50", "linear_probe")
    assert (recipe.adapt.loss, recipe.adapt.epochs, recipe.adapt.batch_size) == ("l1", 100, batch_size)
    assert (recipe.vanilla.epochs, recipe.vanilla.batch_size, list(recipe.vanilla.scheduler.milestones)) == (
        90,
        256,
        [60, 80],
    )
    release = {"agedb_dir": ("mse", 16), "imdb_wiki": ("l1", 32)}[dataset]
    assert (recipe.adapt_release.loss, recipe.adapt_release.batch_size) == release


@pytest.mark.parametrize("dataset", ["agedb_dir", "imdb_wiki", "agedb_dir_demo", "imdb_wiki_demo"])
def test_config_builds(dataset, tmp_path):
    cfg = composed(f"dataset={dataset}", "method=supremix", f"paths.prepared={tmp_path}")
    assert cfg.dataset.name == dataset
    network = instantiate(cfg.backbone.build)
    twin = dataset.endswith("_demo")
    assert network.out_dim == (128 if twin else 2048)
    recipe = cfg.dataset.recipe
    head = instantiate(
        {"_target_": recipe.projection.head, "hidden": recipe.projection.hidden, "out": recipe.projection.out},
        in_features=network.out_dim,
    )
    assert type(head).__name__ == "FaceProjectionHead"
    for stage in ("pretrain", "adapt", "adapt_release", "vanilla"):
        optimizer = torch.optim.Adam(head.parameters(), lr=recipe[stage].lr)
        if recipe[stage].scheduler is not None:
            scheduler = instantiate(recipe[stage].scheduler)(optimizer)
            assert max(scheduler.milestones) < recipe[stage].epochs
    with pytest.raises(Exception, match="no prepared data"):
        instantiate(cfg.dataset.load)
    assert composed(f"dataset={dataset}", "method=vanilla").protocol.name == "end_to_end"


def test_wrong_meta_is_no_traceback(folder):
    meta = json.loads((folder / "meta.json").read_text())
    del meta["bytes"]
    (folder / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(UserError, match=r"faces.npy: \d+ bytes, not the None"):
        images.load_images(folder, name="toy", pixels=PIXELS, bin_size=1, views=None, padding=0, flip=0.5)
