"""What a run keeps of its data comes back as it was, from JSON and arrays."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from supremix.data.dataset import Data, Split, TargetScale
from supremix.data.own import stored
from supremix.data.transforms import fit_transform
from supremix.errors import UserError


@dataclass
class Doubling:
    """Reads numbers, and a table of shifts by name."""

    shift: dict
    kind = "doubling"

    def read(self, rows):
        return torch.tensor([2.0 * float(row) for row in rows]) + torch.from_numpy(self.shift["a/b"])

    def state(self):
        return {"shift": self.shift, "names": ["__array__", "b"]}

    @classmethod
    def from_state(cls, state):
        assert state["names"] == ["__array__", "b"]
        return cls(state["shift"])


def test_reader_target_and_arguments_come_back(tmp_path, monkeypatch):
    monkeypatch.setitem(stored.READERS, "doubling", Doubling)
    split = Split(np.array(["1", "2"]), np.array([1.0, 4.0]), lambda index_B: index_B)
    target = TargetScale(0.5, 2.0, fit_transform("toy", "log", split.y))
    spec = {"in_features": 1, "vectors": torch.eye(2)}
    reader = Doubling({"a/b": np.array([1.0, 2.0])})
    data = Data("toy", split, split, split, None, target, spec, "0", True, reader=reader, extras={"label": "price"})

    stored.save_state(tmp_path, stored.state_of(data))
    intake = stored.restored(stored.load_state(tmp_path))

    assert intake.reader.read([3, 4]).tolist() == [7.0, 10.0]
    assert intake.target == target
    assert intake.labels == ("price",)
    assert intake.input_spec["in_features"] == 1
    assert torch.equal(intake.input_spec["vectors"], torch.eye(2))


def test_data_without_a_reader_leaves_nothing(tmp_path):
    split = Split(np.array(["1"]), np.array([1.0]), lambda index_B: index_B)
    data = Data("toy", split, split, split, None, TargetScale(0, 1), {}, "0", True)
    stored.save_state(tmp_path, stored.state_of(data))
    assert stored.load_state(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_or_unknown_state_is_told(tmp_path):
    (tmp_path / "data.json").write_text("{")
    with pytest.raises(UserError, match=r"data\.json and data\.npz cannot be read"):
        stored.load_state(tmp_path)
    with pytest.raises(UserError, match="no reader of rows is called 'x'"):
        stored.restored({"kind": "x"})
