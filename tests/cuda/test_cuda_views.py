"""Random views made on a GPU: those that a processor makes of the same numbers, and no waiting."""

import pytest
import torch

from supremix.data.views.images import ColourViews, ShiftedViews
from supremix.data.views.volumes import Exemplar3D

COLOURS = ColourViews([0.2, 1.0], [3 / 4, 4 / 3], 0.8, 0.4, 0.4, 0.4, 0.1, flip=0.5, grey=0.2)
TALEB = Exemplar3D(0.5, 0.5, 0.5, 0.5, 0.125, 0.5, 0.5, 0.2)
VIEWS = {"colours": COLOURS, "shift": ShiftedViews(4, flip=0.5), "volumes": TALEB}


def inputs(kind):
    draw = torch.Generator().manual_seed(0)
    uniform_BP = torch.rand(40, VIEWS[kind].draws, generator=draw)
    if kind == "volumes":
        return torch.rand(40, 12, 12, 12, generator=draw).half(), uniform_BP
    images = torch.randint(256, (40, 32, 32, 3), generator=draw, dtype=torch.uint8)
    return images.permute(0, 3, 1, 2), uniform_BP


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_is_the_processors(device, kind):
    x, uniform_BP = inputs(kind)
    view = VIEWS[kind](x.to(device), uniform_BP)
    assert view.device.type == device.type
    torch.testing.assert_close(view.cpu(), VIEWS[kind](x, uniform_BP), rtol=0, atol=2e-3)


@pytest.mark.parametrize("kind", VIEWS)
def test_making_views_does_not_wait_for_the_gpu(device, waits_for_nothing, kind):
    x, uniform_BP = inputs(kind)
    x = x.to(device)
    VIEWS[kind](x, uniform_BP)
    waits_for_nothing()
    VIEWS[kind](x, uniform_BP)
