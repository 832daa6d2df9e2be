"""A loader of one's own: what it gives is checked before training, each mistake in one line that says what to do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from supremix.data.check import check_data
from supremix.data.dataset import Data, Split, TargetScale
from supremix.errors import UserError
from supremix.settings.build import check_features


def split(name, rows):
    x_NF = torch.randn(rows, 3, generator=torch.Generator().manual_seed(rows))
    return Split(np.array([f"{name}-{i}" for i in range(rows)]), np.arange(rows) + 0.5, lambda row_B: x_NF[row_B])


DATA = Data(
    name="mine",
    train=split("a", 8),
    val=split("b", 4),
    test=split("c", 1),
    bin_size=None,
    target=TargetScale(0.0, 1.0),
    input_spec={"in_features": 3},
    sha256="0" * 64,
    synthetic=False,
)


def changed(of="train", **parts):
    return replace(DATA, **{of: replace(getattr(DATA, of), **parts)})


def test_what_the_contract_asks_for_passes():
    check_data(DATA)
    check_data(replace(DATA, to_input=lambda x: {"rows": x, "length": torch.ones(len(x), dtype=torch.long)}))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (replace(DATA, sha256=None), r"sha256=None: give the content's checksum"),
        (replace(DATA, extras={"a": np.float32(3)}), r"extras: .*float32 .*: give values of JSON alone"),
        (replace(DATA, extras={"a": float("nan")}), r"extras: .*: give values of JSON alone"),
        (changed(y=[1.0] * 8), r"labels of the train split are list: give a NumPy array of float64"),
        (changed(y=torch.zeros(8)), r"train split are Tensor: give a NumPy array"),
        (changed(y=np.array(["1"] * 8)), r"train split are <U1: give a NumPy array"),
        (changed(y=np.zeros((8, 1))), r"train split have the shape \(8, 1\): give \(N,\)"),
        (changed("val", ids=DATA.val.ids[:3]), r"val split are 4, and its ids 3: give one id a row"),
        (changed("test", y=np.array([np.nan])), r"test split are not finite in row c-0: leave these rows out"),
        (changed("val", y=np.array([1, np.inf, np.nan, 2])), r"val split are not finite in row b-1 and 1 more"),
        (replace(DATA, test=DATA.train), r"two rows have the id 'a-0', of train and test: give each row .* an id"),
        (changed("val", ids=np.array(["a", "b", "a", "c"])), r"two rows have the id 'a', of val and val"),
        (changed("val", ids=DATA.val.ids[:0], y=DATA.val.y[:0]), r"the val split is empty"),
        (changed(y=np.ones(8)), r"all 8 training rows have the label 1"),
        (
            changed(fetch=lambda row_B: np.zeros((len(row_B), 3))),
            r"fetch of the train split gives ndarray: give a tensor",
        ),
        (changed(fetch=lambda row_B: torch.zeros(1, 3)), r"train split gives the shape \(1, 3\) for 2 rows: give one"),
        (changed("val", fetch=lambda row_B: torch.zeros(2, 3).double()), r"fetch of the val split gives float64"),
        (changed("val", fetch=lambda row_B: torch.zeros(2, 3).half()), r"fetch of the val split gives float16"),
        (replace(DATA, to_input=lambda x: {"rows": x.double()}), r"gives 'rows': float64, and networks have float32"),
    ],
)
def test_each_mistake_is_one_line_with_its_way_out(data, message):
    with pytest.raises(UserError, match=rf"^mine: .*{message}") as told:
        check_data(data)
    assert "\n" not in str(told.value)


CPU = torch.device("cpu")


class Net(nn.Linear):
    """A backbone whose features are what ``made`` makes of them."""

    def __init__(self, made=lambda h: h, out_dim=4):
        super().__init__(3, 4)
        self.made, self.out_dim = made, out_dim

    def forward(self, x):
        """Return features (B, 4), changed."""
        return self.made(super().forward(x))


class Switching(Net):
    """A backbone whose features have a gradient in training alone."""

    def forward(self, x):
        """Return features (B, 4)."""
        h_BD = super().forward(x)
        return h_BD if self.training else h_BD.detach()


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        (Net(out_dim=5), r"features of two rows are \(2, 4\), and by its out_dim \(2, 5\) is wanted"),
        (Net(lambda h: h[:, 0]), r"features of two rows are \(2,\), "),
        (Net(lambda h: (h, h)), r"features of two rows are tuple, "),
        (Net(lambda h: h @ h), r"mat1 and mat2 shapes cannot be multiplied"),
        (Net(lambda h: h.detach()), r"no gradient reaches its weights from its features"),
    ],
)
def test_a_backbone_that_does_not_fit_its_width_or_cannot_learn_is_one_line(backbone, message):
    with pytest.raises(UserError, match=rf"^backbone\.build: {message}"):
        check_features(backbone, DATA, 0, CPU, trained=True)


def test_a_backbone_is_left_as_it_was_and_draws_nothing_and_a_frozen_one_needs_no_gradient():
    backbone = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    backbone.out_dim = 4
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    frozen, state = Net(lambda h: h.detach() + 0 * torch.rand(4)), torch.get_rng_state()
    check_features(backbone, DATA, 0, CPU, trained=True)
    assert backbone.training
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    check_features(frozen, DATA, 0, CPU, trained=False)
    check_features(frozen.requires_grad_(False), DATA, 0, CPU, trained=True)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_gradient_that_training_alone_has_is_enough_and_other_splits_are_read_too():
    check_features(Switching(), DATA, 0, CPU, trained=True)
    data = changed("val", fetch=lambda row_B: torch.zeros(len(row_B), 2))
    with pytest.raises(UserError, match=r"^backbone\.build on the val split: mat1 and mat2"):
        check_features(Net(), data, 0, CPU, trained=True)


def test_weights_that_are_made_at_the_first_call_come_from_the_seed():
    def first(seed):
        backbone = nn.Sequential(nn.LazyLinear(4))
        backbone.out_dim = 4
        check_features(backbone, DATA, seed, CPU, trained=True)
        return backbone[0].weight

    assert torch.equal(first(0), first(0))
    assert not torch.equal(first(0), first(1))
