"""Views of images: each operation and each distribution against torchvision's."""

import pytest
import torch
from scipy.stats import chisquare, ks_2samp
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from supremix.data.views import colours, images
from tests.face_views import colour_views

SIZE = 24
DRAWS = 3000
P_VALUE = 1e-3  # seeds are fixed: a right distribution passes always
VIEWS = colour_views()
CROP = (VIEWS.crop_scale, VIEWS.crop_ratio)


def photos(count: int, size: int = SIZE, seed: int = 0) -> torch.Tensor:
    """uint8 images with smooth regions, a grey one and a black one among them."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 5, 5, generator=generator)
    image = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic").clamp(0, 1)
    image[0] = image[0].mean(dim=0)
    image[1] = 0
    return (image * 255).round().byte()


def uniform(count: int, draws: int, seed: int = 1) -> torch.Tensor:
    return torch.rand(count, draws, generator=torch.Generator().manual_seed(seed))


def test_crop_is_torchvisions_resized_crop():
    image = photos(40).float() / 255
    box = images.crop_boxes(uniform(40, 22), SIZE, *CROP)
    flip = uniform(40, 1)[:, 0] < 0.5
    assert 0 < flip.sum() < 40
    ours = images.crop_resize(image, box, flip)
    for i, (top, left, height, width) in enumerate(box.tolist()):
        expected = tv.resized_crop(image[i], top, left, height, width, [SIZE, SIZE], antialias=True)
        expected = tv.horizontal_flip(expected) if flip[i] else expected
        torch.testing.assert_close(ours[i], expected, atol=1e-5, rtol=0)


def test_crop_of_the_whole_image_changes_nothing():
    image = photos(3).float() / 255
    whole = torch.tensor([[0, 0, SIZE, SIZE]]).expand(3, 4)
    torch.testing.assert_close(images.crop_resize(image, whole, torch.zeros(3, dtype=torch.bool)), image)


def test_crop_where_no_attempt_fits_is_the_whole_image():
    numbers = torch.full((1, 22), 0.999)  # the largest area, the widest ratio: wider than the image
    assert images.crop_boxes(numbers, SIZE, *CROP).tolist() == [[0, 0, SIZE, SIZE]]


ADJUST = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)


@pytest.mark.parametrize("kind", range(4))
def test_each_colour_operation_is_torchvisions(kind):
    image = photos(60).float() / 255
    factor = images.jitter_parameters(uniform(60, 4), torch.zeros(60), VIEWS.strengths)[0]
    expected = torch.stack([ADJUST[kind](one, f) for one, f in zip(image, factor[:, kind].tolist(), strict=True)])
    ours = image.clone()
    colours.CHANGES[kind](ours, factor[:, kind])
    torch.testing.assert_close(ours, expected, atol=2e-5, rtol=0)
    assert (ours - image).abs().mean() > 0.003


@pytest.mark.parametrize(
    ("at_once", "make"),
    [(1, images.by_group), (2**16, images.by_group), (None, images.by_turn)],
    ids=["one image at once", "many", "as on a GPU"],
)
def test_views_are_torchvisions_each_image_with_its_own_parameters_in_its_own_order(monkeypatch, at_once, make):
    monkeypatch.setattr(images, "AT_ONCE", at_once)
    monkeypatch.setattr(images, "by_group", make)
    image = photos(64)
    augment = colour_views(flip=0.5, grey=0.2)
    numbers = uniform(64, augment.draws)
    ours = augment(image, numbers)
    crop, flip, apply, factors, order, grey = numbers.split([22, 1, 1, 4, 1, 1], dim=1)
    box = images.crop_boxes(crop, SIZE, *CROP)
    factor, order = images.jitter_parameters(factors, order[:, 0], VIEWS.strengths)
    assert order.unique().numel() > 15
    assert 3 < (apply >= 0.8).sum() < 30
    assert 3 < (grey < 0.2).sum() < 30
    for i in range(64):
        top, left, height, width = box[i].tolist()
        expected = tv.resized_crop(image[i] / 255, top, left, height, width, [SIZE, SIZE], antialias=True)
        expected = tv.horizontal_flip(expected) if flip[i] < 0.5 else expected
        for kind in images.ORDERS[order[i]] if apply[i] < 0.8 else ():
            expected = ADJUST[kind](expected, factor[i, kind].item())
        expected = tv.rgb_to_grayscale(expected, num_output_channels=3) if grey[i] < 0.2 else expected
        torch.testing.assert_close(ours[i], expected * 2 - 1, atol=5e-4, rtol=0)


def test_grey_is_torchvisions():
    image = photos(5).float() / 255
    expected = tv.rgb_to_grayscale(image, num_output_channels=1)
    torch.testing.assert_close(colours.luma(image), expected, atol=1e-6, rtol=0)


def test_crop_parameters_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    transform = v2.RandomResizedCrop(224, scale=VIEWS.crop_scale)
    theirs = [transform.make_params([torch.empty(3, 224, 224)]) for _ in range(DRAWS)]
    ours = images.crop_boxes(uniform(DRAWS, 22), 224, *CROP)
    for i, name in enumerate(("top", "left", "height", "width")):
        assert ks_2samp(ours[:, i].numpy(), [params[name] for params in theirs]).pvalue > P_VALUE, name
    area = (ours[:, 2] * ours[:, 3]).numpy()
    ratio = (ours[:, 3] / ours[:, 2]).numpy()
    assert ks_2samp(area, [params["height"] * params["width"] for params in theirs]).pvalue > P_VALUE
    assert ks_2samp(ratio, [params["width"] / params["height"] for params in theirs]).pvalue > P_VALUE
    assert (ours >= 0).all()
    assert (ours[:, :2] + ours[:, 2:] <= 224).all()
    smaller = ours[ours[:, 2] < 224]
    assert (smaller[:, 0] + smaller[:, 2] == 224).any()  # the last place is drawn too


def test_jitter_parameters_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    transform = v2.ColorJitter(*VIEWS.strengths)
    theirs = [transform.make_params([]) for _ in range(DRAWS)]
    factor, order = images.jitter_parameters(uniform(DRAWS, 4), uniform(DRAWS, 1, seed=2)[:, 0], VIEWS.strengths)
    for i, name in enumerate(("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")):
        assert ks_2samp(factor[:, i].numpy(), [params[name] for params in theirs]).pvalue > P_VALUE, name
    assert len(set(images.ORDERS)) == 24
    assert all(sorted(one) == [0, 1, 2, 3] for one in images.ORDERS)
    counts = torch.bincount(order)
    assert len(counts) == 24
    assert chisquare(counts.numpy()).pvalue > P_VALUE


def test_shifts_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    transform = v2.RandomCrop(SIZE, padding=3)
    theirs = [transform.make_params([torch.empty(3, SIZE, SIZE)]) for _ in range(DRAWS)]
    marks = torch.zeros(DRAWS, 3, SIZE, SIZE, dtype=torch.uint8)
    marks[:, :, SIZE // 2, SIZE // 2] = 255
    ours = images.ShiftedViews(padding=3, flip=0.5)(marks, torch.cat([uniform(DRAWS, 2), torch.ones(DRAWS, 1)], dim=1))
    place = ours[:, 0].flatten(1).argmax(dim=1)
    for found, name in ((place // SIZE, "top"), (place % SIZE, "left")):
        shift = SIZE // 2 + 3 - found  # of the cut within the padded image
        assert sorted(shift.unique().tolist()) == list(range(7))
        assert chisquare(torch.bincount(shift).numpy()).pvalue > P_VALUE
        assert ks_2samp(shift.numpy(), [params[name] for params in theirs]).pvalue > P_VALUE


def test_shifted_view_is_torchvisions_pad_crop_flip():
    image = photos(30)
    numbers = uniform(30, 3)
    ours = images.ShiftedViews(padding=4, flip=0.5)(image, numbers)
    for i in range(30):
        top, left = (int(n * 9) for n in numbers[i, :2])
        expected = tv.crop(tv.pad(image[i], [4]), top, left, SIZE, SIZE)
        expected = tv.horizontal_flip(expected) if numbers[i, 2] < 0.5 else expected
        torch.testing.assert_close(ours[i], images.normalised(expected))


@pytest.mark.parametrize("flip", [0.0, 0.5])
@pytest.mark.parametrize("grey", [0.0, 0.2])
def test_probabilities(flip, grey):
    left_half = torch.zeros(DRAWS, 3, 8, 8, dtype=torch.uint8)
    left_half[:, 0, :, :4] = 200  # red on the left
    augment = colour_views(flip=flip, grey=grey)
    numbers = uniform(DRAWS, augment.draws)
    numbers[:, :22] = 0.999  # the whole image
    seen = augment(left_half, numbers)
    flipped = (seen[..., -1].mean(dim=(1, 2)) > seen[..., 0].mean(dim=(1, 2))).float().mean()
    colourless = (seen.amax(dim=1) - seen.amin(dim=1)).amax(dim=(1, 2)) < 1e-5
    assert abs(flipped - flip) < 0.04
    assert abs(colourless.float().mean() - grey) < 0.04
    untouched = numbers.clone()
    untouched[:, 22], untouched[:, 23], untouched[:, -1] = 0.99, 0.9, 0.99
    torch.testing.assert_close(augment(left_half[:2], untouched[:2]), images.normalised(left_half[:2]))
    jittered = untouched.clone()
    jittered[:, 23] = 0.79
    assert (augment(left_half[:2], jittered[:2]) - images.normalised(left_half[:2])).abs().max() > 0.01


@pytest.mark.parametrize("augment", [colour_views(flip=0.5, grey=0.2), images.ShiftedViews(padding=4, flip=0.5)])
def test_view_depends_on_the_image_and_its_numbers_alone(augment):
    image, numbers = photos(16), uniform(16, augment.draws)
    together = augment(image, numbers)
    assert together.shape == image.shape
    assert together.dtype == torch.float32
    assert together.min() >= -1
    assert together.max() <= 1
    order = torch.randperm(16, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(augment(image[order], numbers[order]), together[order], atol=1e-6, rtol=0)
    for i in (0, 1, 7):
        torch.testing.assert_close(augment(image[i : i + 1], numbers[i : i + 1])[0], together[i], atol=1e-6, rtol=0)
    again = image.clone()
    augment(again, numbers)
    assert torch.equal(again, image)  # what was fetched is not written to


def test_images_of_a_batch_have_parameters_of_their_own():
    augment = colour_views(flip=0.5, grey=0.2)
    same = photos(9)[8:].expand(6, -1, -1, -1)
    seen = augment(same, uniform(6, augment.draws))
    assert all((seen[i] - seen[j]).abs().mean() > 0.02 for i in range(6) for j in range(i))


def test_memory_layout_makes_no_difference():
    augment = colour_views(flip=0.5, grey=0.2)
    image, numbers = photos(8), uniform(8, augment.draws)
    last = image.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(augment(last, numbers), augment(image, numbers), atol=1e-6, rtol=0)


def test_normalised_is_to_unit_range_then_half_and_half():
    image = torch.arange(256, dtype=torch.uint8)
    torch.testing.assert_close(images.normalised(image), (image.float() / 255 - 0.5) / 0.5)


def test_the_values_are_those_of_table_13_and_of_the_release():
    assert (VIEWS.crop_scale, VIEWS.crop_ratio) == ((0.2, 1.0), (3 / 4, 4 / 3))
    assert (VIEWS.jitter, VIEWS.strengths, VIEWS.flip, VIEWS.grey) == (0.8, (0.4, 0.4, 0.4, 0.1), 0.0, 0.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"flip": 1.5}, "flip=1.5: give a number from 0 to 1"),
        ({"jitter": -0.1}, "jitter=-0.1"),
        ({"saturation": 2}, "saturation=2"),
        ({"hue": 0.3}, "hue=0.3: give a number from 0 to 1/6"),
        ({"crop_scale": [0.2, 1.2]}, r"crop_scale=\[0.2, 1.2\]"),
        ({"crop_scale": [0.0, 1.0]}, "crop_scale"),
        ({"crop_ratio": [2, 1]}, "crop_ratio"),
    ],
)
def test_values_that_no_view_can_have(wrong, message):
    with pytest.raises(ValueError, match=message):
        colour_views(**wrong)
    with pytest.raises(ValueError, match="flip=2"):
        images.ShiftedViews(padding=1, flip=2)
