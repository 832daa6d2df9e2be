"""A loss that draws is given the stage's generator, by its signature and whatever its class."""

import torch
from torch import nn

from supremix.losses import SupConLoss, SupReMixLoss
from supremix.training.pretrain import drawing


class Own(nn.Module):
    """A user's loss that draws."""

    def forward(self, z_ND, y_N, generator=None):
        return torch.rand((), generator=generator) + 0 * z_ND.sum()


def test_losses_that_take_a_generator_draw_from_the_stages_own():
    z_ND, y_N = torch.randn(12, 4, generator=torch.Generator().manual_seed(0)), torch.arange(12.0) % 4
    z_ND.requires_grad_()
    for criterion in (Own(), SupReMixLoss(0.5, 2.0), lambda z, y, generator: Own()(z, y, generator)):
        values = [drawing(criterion, torch.Generator().manual_seed(seed))(z_ND, y_N) for seed in (1, 1, 2)]
        assert values[0] == values[1] != values[2]
    without, generator = SupConLoss(0.5), torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert drawing(without, generator)(z_ND, y_N) == without(z_ND, y_N)
    assert torch.equal(generator.get_state(), before)
