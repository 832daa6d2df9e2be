"""Volumes whose headers contradict themselves, and whose voxels are unusual: one rule, whatever the storage order."""

import itertools
import struct

import nibabel as nib
import numpy as np
import pytest

from supremix.data.raw.nifti import read_volume, to_cube
from supremix.data.raw.nifti_header import read_geometry

SHAPE = (20, 24, 22)
ORDERS = [(axes, signs) for axes in itertools.permutations(range(3)) for signs in itertools.product((1, -1), repeat=3)]
SFORM, QFORM = ("sform",), ("qform",)


def head() -> np.ndarray:
    """An asymmetric head at 2 mm, (D, H, W) float32; axes right, anterior, superior."""
    grid = np.meshgrid(*map(np.arange, SHAPE), indexing="ij")

    def ball(centre, radii):
        return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) < 1

    return (400.0 * ball((10, 12, 11), (7, 9, 8)) + 300.0 * ball((14, 15, 13), (2, 2, 3))).astype(np.float32)


def stored(axes, signs, voxels=None, size=2.0) -> tuple[np.ndarray, np.ndarray]:
    """Store a volume in another order: the array, and the affine that says so."""
    voxels = head() if voxels is None else voxels
    affine = np.eye(4)
    for stored_axis, (axis, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[:3, stored_axis] = 0
        affine[axis, stored_axis] = sign * size
    array = voxels.transpose(*axes)
    return array[tuple(slice(None, None, sign) for sign in signs)], affine


def file(array, affine, qform=0, sform=1, **fields) -> bytes:
    """A file whose header has these codes, and these fields behind nibabel's back."""
    raw = bytearray(nib.Nifti1Image(array, affine).to_bytes())
    header = nib.Nifti1Header(bytes(raw[:348]), check=False)
    header["qform_code"], header["sform_code"] = qform, sform
    for name, value in fields.items():
        if name == "pixdim":
            header["pixdim"][1:4] = value
        else:
            header[name] = value
    raw[:348] = header.binaryblock
    return bytes(raw)


def reasons(raw: bytes) -> list[str]:
    return [doubt.partition(" (")[0] for doubt in read_volume(raw).doubts]


def cube(raw: bytes) -> np.ndarray:
    voxels, sizes, _ = read_volume(raw)
    return to_cube(voxels, sizes, 20, 3.0)


@pytest.mark.parametrize(("axes", "signs"), ORDERS)
@pytest.mark.parametrize("pixdim", [(1, 1, 1), (0, 0, 0), (np.nan, 2, 2), (2, 2, 2)])
def test_the_sform_counts_in_every_storage_order(axes, signs, pixdim):
    raw = file(*stored(axes, signs), pixdim=pixdim)
    np.testing.assert_array_equal(cube(raw), cube(file(*stored((0, 1, 2), (1, 1, 1)))))
    doubt = {(1, 1, 1): ["header gives two voxel sizes"], (2, 2, 2): []}.get(pixdim, ["header's pixdim is impossible"])
    assert reasons(raw) == doubt


def test_the_doubt_says_both_sizes_and_which_counts():
    (doubt,) = read_volume(file(*stored((0, 1, 2), (1, 1, 1)), pixdim=(1, 1, 1))).doubts
    assert doubt == "header gives two voxel sizes (sform 2 × 2 × 2 mm, which is used, pixdim 1 × 1 × 1 mm)"


@pytest.mark.parametrize(("axes", "signs"), ORDERS)
def test_unequal_voxels_keep_their_axes(axes, signs):
    array, affine = stored(axes, signs)
    affine[:3, :3] = np.diag([1.0, 1.5, 2.5]) / 2 @ affine[:3, :3]
    voxels, sizes, doubts = read_volume(file(array, affine))
    np.testing.assert_array_equal(voxels, head())
    assert sizes == (1.0, 1.5, 2.5)
    assert doubts == []


@pytest.mark.parametrize("sform_is", ["absent", "zeros", "singular", "infinite"])
def test_the_qform_counts_where_there_is_no_possible_sform(sform_is):
    fields = {
        "absent": {},
        "zeros": {f"srow_{row}": 0 for row in "xyz"},
        "singular": {"srow_x": [2, 2, 0, 0], "srow_y": [0, 0, 2, 0], "srow_z": [0, 0, 2, 0]},
        "infinite": {"srow_x": [np.inf, 0, 0, 0]},
    }[sform_is]
    array, affine = stored((1, 0, 2), (-1, 1, -1))
    raw = bytearray(nib.Nifti1Image(array, affine).to_bytes())
    header = nib.Nifti1Header(bytes(raw[:348]))
    header.set_qform(affine, 1)
    header["sform_code"] = 0 if sform_is == "absent" else 1
    for name, value in fields.items():
        header[name] = value
    raw[:348] = header.binaryblock
    voxels, sizes, doubts = read_volume(bytes(raw))
    np.testing.assert_array_equal(voxels, head())
    assert sizes == (2, 2, 2)
    assert doubts == ([] if sform_is == "absent" else ["header's sform is impossible (qform is used)"])


def test_a_quaternion_that_is_none_and_a_negative_size_are_doubts():
    array, affine = stored((0, 1, 2), (-1, 1, 1))
    assert reasons(file(array, affine, qform=1, quatern_b=2)) == ["header's qform is impossible"]
    raw = file(array, affine, qform=0, sform=0, pixdim=(-2, 2, 2))
    assert reasons(raw) == ["header's pixdim is negative", "header gives no axes"]
    assert read_volume(raw).sizes == (2, 2, 2)


def test_sizes_alone_leave_the_axes_in_doubt():
    voxels, sizes, doubts = read_volume(file(*stored((0, 1, 2), (-1, 1, 1)), qform=0, sform=0))
    np.testing.assert_array_equal(voxels, head())
    assert (sizes, doubts) == ((2, 2, 2), ["header gives no axes (taken as to left, anterior, superior)"])


def test_two_orientations_are_a_doubt_and_the_sform_counts():
    array, affine = stored((0, 1, 2), (-1, 1, 1))
    raw = file(array, affine, qform=1, quatern_b=0, quatern_c=0, quatern_d=0, pixdim=(2, 2, 2))
    header = nib.Nifti1Header(raw[:348], check=False)
    header["pixdim"][0] = 1
    voxels, _, doubts = read_volume(header.binaryblock + raw[348:])
    np.testing.assert_array_equal(voxels, head())
    assert doubts == ["header gives two orientations (sform LAS, which is used, qform RAS)"]


@pytest.mark.parametrize(
    ("unit", "size", "expected", "doubt"),
    [
        (0, 2.0, 2.0, []),
        (2, 2.0, 2.0, []),
        (1, 0.002, 2.0, []),
        (3, 2000.0, 2.0, []),
        (1, 2.0, 2.0, ["header's unit is impossible"]),
        (3, 2.0, 2.0, ["header's unit is impossible"]),
    ],
)
def test_units_other_than_millimetres(unit, size, expected, doubt):
    raw = file(*stored((1, 2, 0), (1, -1, 1), size=size), xyzt_units=unit)
    assert read_volume(raw).sizes == pytest.approx((expected,) * 3)
    assert reasons(raw) == doubt


@pytest.mark.parametrize("pixdim", [(0, 0, 0), (2, 0, 2), (np.nan,) * 3, (np.inf, 2, 2), (0.01, 2, 2), (200, 2, 2)])
@pytest.mark.parametrize("qform", [0, 1])
def test_without_a_possible_size_a_scan_is_refused_by_name(pixdim, qform):
    raw = file(*stored((0, 1, 2), (1, 1, 1)), qform=qform, sform=0, pixdim=pixdim)
    with pytest.raises(ValueError, match=r"no usable voxel size \(.* × .* × .* mm\)"):
        read_volume(raw)


def test_both_byte_orders_are_read(tmp_path):
    array, affine = stored((0, 1, 2), (1, 1, 1))
    header = nib.Nifti1Header(endianness=">")
    raw = nib.Nifti1Image(array, affine, header).to_bytes()
    assert struct.unpack(">i", raw[:4]) == (348,)
    np.testing.assert_array_equal(read_volume(raw).voxels_DHW, head())
    assert read_geometry(raw[:348]).sizes == (2, 2, 2)


# ---- voxels


@pytest.mark.parametrize("more", [(1,), (1, 1), (1, 1, 1, 1)])
def test_further_axes_of_one_are_one_volume(more):
    array, affine = stored((2, 0, 1), (1, -1, -1))
    voxels, sizes, doubts = read_volume(file(array.reshape(array.shape + more), affine))
    np.testing.assert_array_equal(voxels, head())
    assert (sizes, doubts) == ((2, 2, 2), [])


@pytest.mark.parametrize("shape", [(9, 9, 9, 2), (1, 9, 9, 9), (9, 9, 1), (9, 9), (9, 9, 9, 1, 3), (1, 9, 9)])
def test_what_is_not_one_volume_is_refused(shape):
    array = np.random.default_rng(0).integers(0, 99, shape).astype(np.int16)
    with pytest.raises(ValueError, match="not one volume"):
        read_volume(nib.Nifti1Image(array, np.diag([2.0, 2, 2, 1])).to_bytes())


def rgb(channels: str) -> np.ndarray:
    array = np.zeros((9, 9, 9), [(channel, "u1") for channel in channels])
    array["R"] = np.arange(9)
    return array


NOISE = np.random.default_rng(0).normal(0, 1, (9, 9, 9))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        ((NOISE + 1j).astype(np.complex64), r"voxels that are no single numbers \(complex\)"),
        (NOISE.astype(np.complex128), r"voxels that are no single numbers \(complex\)"),
        (rgb("RGB"), r"voxels that are no single numbers \(RGB\)"),
        (rgb("RGBA"), r"voxels that are no single numbers \(RGB\)"),
        (NOISE * 1e39, r"voxels beyond single precision \(the largest 3\.\d+e\+39\)"),
        (NOISE * 1e-40, "voxels beyond single precision"),
        (np.where(NOISE > 2, np.inf, NOISE), "NaN or infinite"),
        (np.where(NOISE > 2, np.nan, NOISE).astype(np.float32), "NaN or infinite"),
        (np.full((9, 9, 9), 7.0), "blank: all voxels are equal"),
        (1e6 + NOISE, r"blank but for rounding \(voxels from 99999\d to 1e\+06\)"),
        (-1e6 + NOISE, "blank but for rounding"),
    ],
)
def test_voxels_that_are_no_scan_are_refused_by_name(array, message):
    with pytest.raises(ValueError, match=message):
        read_volume(nib.Nifti1Image(array, np.diag([2.0, 2, 2, 1])).to_bytes())


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8"])
def test_every_type_of_single_numbers_is_read(dtype):
    array = (head() / 8).round().astype(dtype)
    voxels, _, doubts = read_volume(nib.Nifti1Image(array, np.diag([2.0, 2, 2, 1])).to_bytes())
    assert voxels.dtype == np.float32
    np.testing.assert_array_equal(voxels, (head() / 8).round())
    assert doubts == []


def test_slope_and_intercept_count():
    raw = file(head().astype(np.int16), np.diag([2.0, 2, 2, 1]), scl_slope=0.5, scl_inter=10)
    np.testing.assert_array_equal(read_volume(raw).voxels_DHW, head() * 0.5 + 10)


def spot(share: float) -> np.ndarray:
    array = np.zeros(8000)
    array[: round(8000 * share)] = 5
    return array.reshape(20, 20, 20)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (100 + NOISE, "nearly flat (voxels from 96"),
        (spot(0.005), "nearly flat (only 0.50% of the voxels differ from the median)"),
        (np.random.default_rng(0).normal(size=(40, 40, 5)), "a slab (80 × 80 × 10 mm)"),
    ],
)
def test_what_is_hardly_a_scan_is_doubted(array, expected):
    (doubt,) = read_volume(nib.Nifti1Image(array, np.diag([2.0, 2, 2, 1])).to_bytes()).doubts
    assert doubt.startswith(expected)


@pytest.mark.parametrize("array", [spot(0.02), NOISE, 3 + NOISE, np.random.default_rng(0).normal(size=(40, 40, 11))])
def test_what_may_be_a_scan_is_not_doubted(array):
    assert read_volume(nib.Nifti1Image(array, np.diag([2.0, 2, 2, 1])).to_bytes()).doubts == []
