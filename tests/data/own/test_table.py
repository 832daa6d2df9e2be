"""A user's table becomes data: columns by kind, fitted on training rows, and read again from what is stored."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from supremix.data.own import stored
from supremix.data.own.assemble import Plan
from supremix.data.own.features import category_cells, fit_table, raw_numbers
from supremix.data.own.kinds import kinds_of
from supremix.data.own.layout import Layout, read_rows
from supremix.data.own.split import split_rows
from supremix.data.own.table import load_table
from supremix.errors import UserError

FRACTIONS = {"train": 0.7, "val": 0.15, "test": 0.15}


def plan(**changes):
    """The plan of conf/dataset/_own.yaml, or with changes."""
    usual = {
        "fractions": FRACTIONS,
        "split_seed": 0,
        "scaling": "standard",
        "target_transform": "none",
        "bin_size": "auto",
        "label_unit": "auto",
        "batch_size": 32,
    }
    return Plan(**(usual | changes))


@pytest.fixture
def houses(tmp_path):
    """A mixed table with missing values, a rare category, an id and a constant."""
    random = np.random.default_rng(0)
    rows = 400
    frame = pd.DataFrame(
        {
            "id": [f"h{i}" for i in range(rows)],
            "area": random.integers(30, 200, rows).astype(float),
            "rooms": random.integers(1, 7, rows),
            "kind": random.choice(["flat", "house", "villa", None], rows, p=[0.5, 0.3, 0.1, 0.1]),
            "sold": pd.date_range("2020-01-01", periods=rows).strftime("%d.%m.%Y"),
            "country": "NL",
        }
    )
    frame.loc[::7, "area"] = None
    frame.loc[3, "kind"] = "castle"
    frame["price"] = 1000 * frame["rooms"] + 10 * frame["area"].fillna(100)
    path = tmp_path / "houses.csv"
    frame.to_csv(path, index=False)
    return path


def test_columns_are_told_apart(houses):
    kinds = kinds_of(read_rows(str(houses), Layout("price")))
    assert [*kinds.numbers] == ["area", "rooms"]
    assert kinds.dates == {"sold": ["%d.%m.%Y"]}
    assert kinds.categories == ["kind"]
    assert kinds.unused == {"the same in every row": ["country"]}


def test_the_reader_gives_what_scikit_learns_transformer_gives(houses):
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows = read_rows(str(houses), Layout("price"))
    kinds = kinds_of(rows)
    train, other = rows.frame.iloc[:300], rows.frame.iloc[300:]
    reader = fit_table(train, kinds.numbers, {}, kinds.categories, "standard")

    def cells(frame):
        return pd.DataFrame(
            {"area": frame["area"], "rooms": frame["rooms"], "kind": category_cells(frame["kind"])}, index=frame.index
        )

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=False), StandardScaler())
    one_hot = OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist", sparse_output=False)
    expected = ColumnTransformer([("n", numbers, ["area", "rooms"]), ("c", one_hot, ["kind"])]).fit(cells(train))
    got = reader.read(other).numpy()
    flags = np.isnan(raw_numbers(other, {"area": kinds.numbers["area"]}, {}))
    np.testing.assert_allclose(np.delete(got, 2, axis=1), expected.transform(cells(other)), atol=1e-6)
    np.testing.assert_array_equal(got[:, 2:3], flags)


def test_new_rows_are_read_as_those_of_the_file_from_what_is_stored(houses, tmp_path):
    data = load_table(name="houses", path=str(houses), layout=Layout("price"), plan=plan())
    (tmp_path / "run").mkdir()
    stored.save_state(tmp_path / "run", stored.state_of(data))
    intake = stored.restored(stored.load_state(tmp_path / "run"))
    frame = pd.read_csv(houses).set_index("id").loc[data.test.ids]  # with pandas' own types, in another order
    assert torch.equal(intake.reader.read(frame), data.test.fetch(np.arange(len(data.test))))
    assert intake.labels == ("price",)
    strange = frame.astype(object).assign(kind="never seen", area="", sold="no date")
    assert torch.isfinite(intake.reader.read(strange)).all()
    strange["rooms"] = ["three", *strange["rooms"][1:]]
    assert intake.reader.parsed(frame.iloc[:5])[1] == []
    by_kind, doubts = intake.reader.parsed(strange)
    assert torch.equal(intake.reader.read(by_kind), intake.reader.read(strange))
    assert doubts == [
        "column 'rooms': 1 of 60 cells, such as 'three': no number, and counts as missing",
        "column 'sold': 60 of 60 cells, such as 'no date': no date as %d.%m.%Y, and counts as missing",
        "column 'kind': 60 of 60 cells, such as 'never seen': none of the values that are frequent in training",
    ]
    with pytest.raises(UserError, match="the rows have no column 'rooms', which the model was trained on"):
        intake.reader.read(frame.drop(columns="rooms"))


def test_only_training_rows_are_fitted_to(houses, tmp_path):
    data = load_table(name="houses", path=str(houses), layout=Layout("price"), plan=plan())
    frame = pd.read_csv(houses)
    frame["split"] = np.where(frame["id"].isin(data.train.ids), "train", "test")
    frame.loc[frame["id"].isin(data.val.ids), "split"] = "val"
    frame.loc[frame["split"] != "train", ["area", "rooms", "price"]] *= 100
    frame.to_csv(tmp_path / "split.csv", index=False)
    again = load_table(name="houses", path=str(tmp_path / "split.csv"), layout=Layout("price"), plan=plan())
    assert {*again.train.ids} == {*data.train.ids}
    everything = np.arange(len(data.train))
    torch.testing.assert_close(again.train.fetch(everything), data.train.fetch(everything))
    assert again.target == data.target
    assert again.geometry.in_words() == data.geometry.in_words()


def test_a_date_is_its_day_and_its_place_in_year_and_week():
    frame = pd.DataFrame({"sold": ["2024-01-01", "2024-01-08", "2025-01-01", None]})
    x_NF = raw_numbers(frame, {}, {"sold": ["%Y-%m-%d"]})
    assert x_NF[:3, 0].tolist() == [19723, 19730, 20089]
    np.testing.assert_allclose((x_NF[:3, 1::2] ** 2 + x_NF[:3, 2::2] ** 2), 1)
    np.testing.assert_allclose(x_NF[2, 1:3], x_NF[0, 1:3], atol=0.02)  # a year later
    np.testing.assert_allclose(x_NF[1, 3:], x_NF[0, 3:], atol=1e-9)  # a week later
    assert abs(x_NF[2, 3:] - x_NF[0, 3:]).max() > 0.5
    assert np.isnan(x_NF[3]).all()


def test_a_typing_error_counts_as_ten_deviations(houses):
    reader = load_table(name="houses", path=str(houses), layout=Layout("price"), plan=plan()).reader
    rows = pd.read_csv(houses).iloc[:2]
    rows["rooms"] = [3_000_000, -3_000_000]
    assert reader.read(rows)[:, reader.columns.index("rooms")].tolist() == [10, -10]


def test_rows_without_a_group_are_groups_of_their_own(houses, tmp_path):
    frame = pd.read_csv(houses).assign(street=[None if i % 2 else f"s{i % 20}" for i in range(400)])
    frame.to_csv(tmp_path / "streets.csv", index=False)
    group_N = read_rows(str(tmp_path / "streets.csv"), Layout("price", group="street")).group
    assert len({*group_N[1::2]}) == 200
    assert len({*group_N[::2]}) == 10


def test_raw_numbers_are_read_as_they_are_and_again_from_what_is_stored(houses, tmp_path):
    data = load_table(name="houses", path=str(houses), layout=Layout("price"), plan=plan(scaling="raw"))
    area_N = pd.read_csv(houses).set_index("id")["area"][data.train.ids]
    got_N = data.train.fetch(np.arange(len(data.train)))[:, 0].numpy()
    np.testing.assert_array_equal(got_N, area_N.fillna(area_N.median()))
    (tmp_path / "run").mkdir()
    stored.save_state(tmp_path / "run", stored.state_of(data))
    again = stored.restored(stored.load_state(tmp_path / "run")).reader
    everything = pd.read_csv(houses).set_index("id").loc[data.test.ids]
    assert torch.equal(again.read(everything), data.test.fetch(np.arange(len(data.test))))


def test_a_raw_number_beyond_float32_is_refused_by_its_column(houses):
    frame = pd.read_csv(houses)
    frame.loc[3, "area"] = 1e39
    frame.to_csv(houses, index=False)
    load = partial(load_table, name="houses", path=str(houses), layout=Layout("price"))
    assert load(plan=plan()).train.fetch(np.arange(20)).isfinite().all()
    with pytest.raises(UserError, match="column 'area' has a number beyond float32: correct it"):
        load(plan=plan(scaling="raw"))


@pytest.mark.parametrize("name", ["log", "quantile"])
def test_targets_are_transformed_and_scaled(houses, name):
    data = load_table(name="houses", path=str(houses), layout=Layout("price"), plan=plan(target_transform=name))
    encoded = data.target.encode(data.train.y)
    assert encoded.mean() == pytest.approx(0, abs=1e-9)
    assert encoded.std() == pytest.approx(1)
    np.testing.assert_allclose(data.target.decode(encoded), data.train.y)
    raw = load_table(name="houses", path=str(houses), layout=Layout("price"), plan=plan(scaling="raw"))
    np.testing.assert_array_equal(raw.target.encode(raw.train.y), raw.train.y)
    with pytest.raises(UserError, match=r"dataset\.scaling=minmax: use one of raw, standard"):
        plan(scaling="minmax")


def test_drawn_splits_are_alike_repeatable_and_keep_groups():
    random = np.random.default_rng(1)
    y_N = random.exponential(size=1000)
    rows = split_rows(y_N, FRACTIONS, 0)
    assert {split: len(at) for split, at in rows.items()} == {"train": 700, "val": 150, "test": 150}
    assert sorted(np.concatenate([*rows.values()])) == list(range(1000))
    for at in rows.values():
        np.testing.assert_allclose(np.quantile(y_N[at], [0.1, 0.5, 0.9]), np.quantile(y_N, [0.1, 0.5, 0.9]), rtol=0.15)
    assert all((rows[split] == at).all() for split, at in split_rows(y_N, FRACTIONS, 0).items())
    assert {*split_rows(y_N, FRACTIONS, 1)["test"]} != {*rows["test"]}
    group_N = random.integers(0, 120, 1000)
    grouped = split_rows(y_N, FRACTIONS, 0, group_N=group_N)
    groups = [{*group_N[at]} for at in grouped.values()]
    assert sum(map(len, groups)) == len(set.union(*groups))
    assert abs(len(grouped["train"]) - 700) < 40
    given = np.array(["train"] * 800 + ["test"] * 200)
    kept = split_rows(y_N, FRACTIONS, 0, split_N=given)
    assert list(kept["test"]) == list(range(800, 1000))
    assert 120 < len(kept["val"]) < 160
    inside = split_rows(y_N, FRACTIONS, 0, split_N=given, group_N=np.arange(1000) // 8)
    assert not {*inside["val"] // 8} & {*inside["train"] // 8}
    assert 120 < len(inside["val"]) < 160
    with pytest.raises(UserError, match="2 groups are too few"):
        split_rows(y_N, FRACTIONS, 0, group_N=np.arange(1000) % 2)
    with pytest.raises(UserError, match=r"dataset.fractions=\{'train': 1\}: give train, val and test as parts"):
        split_rows(y_N, {"train": 1}, 0)
