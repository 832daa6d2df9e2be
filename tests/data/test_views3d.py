"""Random views of volumes: each transformation against NumPy and SciPy, the distribution of what is drawn."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from supremix.data.views.volumes import Exemplar3D

TALEB = {
    "flip": 0.5,
    "turn": 0.5,
    "quarter": 0.5,
    "intensity": 0.5,
    "brightness": 0.125,
    "contrast": 0.5,
    "zoom": 0.15,
    "zoom_range": 0.2,
}
DRAWS = 22


def views(**changes) -> Exemplar3D:
    return Exemplar3D(**TALEB | changes)


def uniforms(**chosen: float) -> torch.Tensor:
    """Numbers that change nothing, but for the named ones."""
    names = ["flip_d", "flip_h", "flip_w"]
    names += [f"{what}_{plane}" for plane in ("dh", "hw", "dw") for what in ("turn", "quarter", "angle")]
    names += ["intensity", "brightness", "contrast", "zoom", "zoom_d", "zoom_h", "zoom_w", "at_d", "at_h", "at_w"]
    u = torch.full((1, DRAWS), 0.999)
    for name, value in chosen.items():
        u[0, names.index(name)] = value
    return u


def blob(side: int = 45) -> torch.Tensor:
    """A smooth volume without symmetry, almost zero at the border; (1, S, S, S)."""
    d, h, w = torch.meshgrid(*[torch.arange(float(side))] * 3, indexing="ij")
    return torch.exp(-((d - 19) ** 2 + (h - 25) ** 2 / 2 + (w - 21) ** 2 / 3) / 15)[None]


def test_nothing_drawn_changes_nothing():
    x = torch.rand(1, 9, 9, 9, generator=torch.Generator().manual_seed(0))
    view = views()(x, uniforms())
    assert view.shape == (1, 1, 9, 9, 9)
    torch.testing.assert_close(view[:, 0], x)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_flips(axis):
    x = torch.rand(1, 8, 8, 8)
    view = views()(x, uniforms(**{f"flip_{'dhw'[axis]}": 0.1}))
    torch.testing.assert_close(view[0, 0], x[0].flip(axis))


@pytest.mark.parametrize(("plane", "axes"), [("dh", (0, 1)), ("hw", (1, 2)), ("dw", (0, 2))])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_quarter_turns_are_exact(plane, axes, quarters):
    x = torch.rand(1, 8, 8, 8)
    chosen = {f"turn_{plane}": 0.1, f"quarter_{plane}": 0.1, f"angle_{plane}": (quarters + 0.7) / 4}
    view = views()(x, uniforms(**chosen))
    np.testing.assert_allclose(view[0, 0], np.rot90(x[0], quarters, axes), atol=1e-5)


@pytest.mark.parametrize(("plane", "axes"), [("dh", (0, 1)), ("hw", (1, 2)), ("dw", (0, 2))])
def test_turns_by_any_angle(plane, axes):
    x = blob()
    view = views()(x, uniforms(**{f"turn_{plane}": 0.1, f"quarter_{plane}": 0.9, f"angle_{plane}": 50 / 360}))
    turned = ndimage.rotate(x[0].numpy(), 50, axes=axes, reshape=False, order=1)
    np.testing.assert_allclose(view[0, 0], turned, atol=1e-4)
    assert np.abs(view[0, 0].numpy() - x[0].numpy()).max() > 0.3


def test_turns_follow_one_another_in_the_published_order():
    x = torch.rand(1, 6, 6, 6)
    quarter = {f"quarter_{plane}": 0.1 for plane in ("dh", "hw", "dw")}
    turn = {f"turn_{plane}": 0.1 for plane in ("dh", "hw", "dw")}
    view = views()(x, uniforms(flip_d=0.1, **turn, **quarter, angle_dh=0.3, angle_hw=0.3, angle_dw=0.8))
    expected = np.flip(x[0].numpy(), 0)
    for quarters, axes in ((1, (0, 1)), (1, (1, 2)), (3, (0, 2))):
        expected = np.rot90(expected, quarters, axes)
    np.testing.assert_allclose(view[0, 0], expected, atol=1e-5)


def test_brightness_then_contrast_about_the_mean():
    x = torch.rand(1, 7, 7, 7)
    view = views()(x, uniforms(intensity=0.1, brightness=0.9, contrast=0.2))
    shifted = x + 0.125 * 0.8
    torch.testing.assert_close(view[:, 0], (shifted - shifted.mean()) * 0.7 + shifted.mean())


def test_zoom_in_shows_a_part_and_zoom_out_pads_with_zeros():
    x = blob()
    out = views()(x, uniforms(zoom=0.1, zoom_d=0.0, zoom_h=0.5, zoom_w=0.5, at_d=0.9, at_h=0.5, at_w=0.5))[0, 0]
    side, factor = x.shape[1], 0.8
    expected = ndimage.affine_transform(
        x[0].numpy(), [1 / factor, 1, 1], offset=[(side - 1) / 2 * (1 - 1 / factor), 0, 0], order=1
    )
    np.testing.assert_allclose(out, expected, atol=1e-4)
    assert not out[:4].any()  # 4.5 voxels of padding on either side
    assert not out[-4:].any()

    ramp = torch.linspace(0, 1, 31)[None, :, None, None].expand(1, 31, 31, 31)
    for at, low, high in ((0.0, 0.0, 1 / 1.2), (1.0, 1 - 1 / 1.2, 1.0)):
        zoom = uniforms(zoom=0.1, zoom_d=1.0, zoom_h=0.5, zoom_w=0.5, at_d=at, at_h=0.5, at_w=0.5)
        line = views()(ramp, zoom)[0, 0, :, 15, 15]
        assert line[1] == pytest.approx(low, abs=0.06)
        assert line[-2] == pytest.approx(high, abs=0.06)


def test_a_view_depends_on_its_own_row_alone():
    generator = torch.Generator().manual_seed(0)
    x, u = torch.rand(19, 10, 10, 10, generator=generator), torch.rand(19, DRAWS, generator=generator)
    made = views()
    together = made(x.half(), u)
    assert together.dtype == torch.float32
    alone = torch.cat([made(x[i : i + 1].half(), u[i : i + 1]) for i in reversed(range(19))])
    torch.testing.assert_close(together.flip(0), alone, rtol=0, atol=1e-6)


def test_what_is_drawn_has_the_published_distribution():
    n = 20_000
    made = views()
    u = torch.rand(n, DRAWS, generator=torch.Generator().manual_seed(3))
    angle = made.angle(*u[:, 3:6].unbind(1)) / (2 * math.pi)
    free = angle[(u[:, 3] < 0.5) & (u[:, 4] >= 0.5)]
    assert stats.kstest(free, "uniform").pvalue > 1e-3
    assert len(free) / n == pytest.approx(0.25, abs=0.01)
    quarters = angle[(u[:, 3] < 0.5) & (u[:, 4] < 0.5)] * 4
    assert stats.chisquare(np.bincount(quarters.round().long(), minlength=4)).pvalue > 1e-3
    assert (angle[u[:, 3] >= 0.5] == 0).all()

    still = u.clone()
    still[:, 3:12] = 0.9  # no turns: the affine is flips and zoom
    affine = made.affine(still)
    assert (affine[:, :, :3] - torch.diag_embed(affine.diagonal(dim1=1, dim2=2))).abs().max() == 0
    scale = affine.diagonal(dim1=1, dim2=2)
    assert (scale < 0).float().mean(0).tolist() == pytest.approx([0.5] * 3, abs=0.015)
    zoomed = 1 / scale.abs()
    assert (zoomed[:, 0] != 1).float().mean().item() == pytest.approx(0.15, abs=0.01)
    assert stats.kstest(zoomed[zoomed[:, 0] != 1, 0], "uniform", (0.8, 0.4)).pvalue > 1e-3
    # The part that is seen lies within the volume.
    assert (affine[:, :, 3].abs() <= (1 - scale.abs()).clamp(min=0) + 1e-6).all()


@pytest.mark.parametrize("changes", [{"flip": 1.1}, {"turn": -0.1}, {"zoom_range": 1.0}, {"brightness": -1.0}])
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        views(**changes)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="cubes"):
        views()(torch.zeros(2, 4, 4, 5), torch.zeros(2, DRAWS))
    with pytest.raises(ValueError, match="uniforms"):
        views()(torch.zeros(2, 4, 4, 4), torch.zeros(2, DRAWS - 1))
