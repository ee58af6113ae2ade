"""Views of images: what the transforms do, how often and how strongly, and that rows stay independent."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.v2 as T
import torchvision.transforms.v2.functional as TF
from scipy import stats
from sklearn.datasets import load_digits
from torch import Tensor

from unlabeled.data.draws import Draws
from unlabeled.errors import OptionError
from unlabeled.methods.contract import Branch
from unlabeled.modalities.contract import Changed
from unlabeled.modalities.image import looks
from unlabeled.modalities.image.blur import blur
from unlabeled.modalities.image.colour import Jitter, draw_jitter, reband, recolour, solarise
from unlabeled.modalities.image.crops import Crop, random_box, resample
from unlabeled.modalities.image.views import change, local_size, patchify, unit, unpatchify

KINDS = [("raw", 0), ("weak", 0), ("weak", 1), ("strong", 0), ("strong", 1), ("strong", 2), ("local", 0)]
QUIET = {"flip": 0.0, "jitter": 0.0, "blur": 0.0, "solarise": 0.0, "turn": 0.0, "noise": 0.0, "cutout": 0.0}
"""options that leave only the crop"""


def images(n: int, bands: int = 3, height: int = 32, width: int | None = None, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    shape = (n, bands, height, width or height)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def view(
    x: Tensor,
    kind: str = "strong",
    variant: int = 0,
    *,
    size: tuple[int, int] | None = None,
    patch: int | None = None,
    draws: Draws | None = None,
    **options: float | Tensor,
) -> Changed:
    draws = draws or Draws(0, 0, total=x.shape[0])
    branch = Branch(kind, variant, options=options)  # type: ignore[arg-type]
    return change(x, branch, draws, size=size or (x.shape[2], x.shape[3]), patch=patch)


def share(applied: Tensor, probability: float) -> None:
    """`applied` is True as often as `probability` says, to within four standard errors."""
    error = math.sqrt(probability * (1 - probability) / len(applied))
    assert abs(applied.float().mean().item() - probability) <= 4 * error


# every view


@pytest.mark.parametrize("bands", [1, 2, 3, 4, 13])
@pytest.mark.parametrize(("kind", "variant"), KINDS)
@pytest.mark.parametrize(("stored", "size"), [((8, 8), (8, 8)), ((40, 36), (32, 32)), ((72, 90), (68, 80))])
def test_any_kind_on_any_bands_gives_pixels_from_0_to_1_at_its_size(kind, variant, bands, stored, size):
    x = images(6, bands, *stored)
    before = x.clone()
    changed = view(x, kind, variant, size=size)
    assert changed.x.shape == (6, bands, *(local_size(size, None) if kind == "local" else size))
    assert changed.x.dtype == torch.float32 and changed.x.is_contiguous()
    assert changed.x.min() >= 0 and changed.x.max() <= 1
    assert torch.equal(x, before)
    assert all(len(value) == 6 for value in changed.params.values())
    assert {"crop", "flip"} <= set(changed.params)


@pytest.mark.parametrize("bands", [1, 3, 5])
@pytest.mark.parametrize(("kind", "variant"), KINDS)
@pytest.mark.parametrize("side", [8, 32, 72])
def test_two_processes_get_the_rows_one_process_would(kind, variant, bands, side):
    x = images(8, bands, side)
    whole = view(x, kind, variant, draws=Draws(3, 5, total=8), patch=4)
    for rank, rows in enumerate((slice(0, 4), slice(4, 8))):
        mine = Draws(3, 5, total=8, rows=rows, rank=rank)
        part = view(x[rows], kind, variant, draws=mine, patch=4)
        torch.testing.assert_close(part.x, whole.x[rows], rtol=0, atol=1e-6)
        assert all(torch.equal(part.params[key], value[rows]) for key, value in whole.params.items())
        if whole.where is not None:
            assert torch.equal(part.where, whole.where[rows])


def test_chosen_rows_of_a_batch_keep_their_numbers():
    x = images(8)
    draws, rows = Draws(0, 1, total=8), torch.tensor([1, 6])
    few = view(x[rows], draws=draws.only(rows)).x
    torch.testing.assert_close(few, view(x, draws=Draws(0, 1, total=8)).x[rows], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "variant"), KINDS[1:])
def test_same_step_gives_the_same_view_and_the_next_step_another(kind, variant):
    x = images(4)
    first, again = (view(x, kind, variant, draws=Draws(0, 7, total=4)).x for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, view(x, kind, variant, draws=Draws(0, 8, total=4)).x)


@pytest.mark.parametrize(("kind", "variant"), KINDS)
@pytest.mark.parametrize("bands", [1, 3])
def test_uint8_and_float_images_give_the_same_view(kind, variant, bands):
    x = images(8, bands, 20)
    a, b = view(x, kind, variant, size=(16, 16)), view(x.float() / 255, kind, variant, size=(16, 16))
    if variant == 2:  # a rounding of 1e-7 can put a pixel on the other side of the solarise threshold
        assert ((a.x - b.x).abs() > 1e-5).float().mean() < 1e-3
    else:
        torch.testing.assert_close(a.x, b.x, rtol=0, atol=1e-5)


def test_a_batch_without_rows_gives_a_view_without_rows():
    for bands in (1, 3, 5):
        for kind, variant in KINDS:
            changed = view(images(0, bands), kind, variant, patch=4)
            assert changed.x.shape[0] == 0 and changed.where.shape[0] == 0


def test_switching_one_change_off_does_not_move_the_others():
    x = images(16, 3, 80)
    all_on = view(x).params
    no_blur = view(x, blur=0.0, jitter=0.0).params
    for key in ("crop", "flip", "grey"):
        assert torch.equal(all_on[key], no_blur[key])


def test_views_carry_no_gradient_and_ignore_autocast():
    x = images(4).float().div(255).requires_grad_()
    plain = view(x).x
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = view(x).x
    assert not plain.requires_grad
    assert torch.equal(plain, mixed)


# where a view looks


def test_raw_is_the_image_itself_at_its_own_size():
    x = images(3)
    assert torch.equal(view(x, "raw").x, x.float() / 255)


def test_raw_is_the_largest_centred_part_shrunk():
    x = images(2, 3, 40, 64)
    expected = TF.resize(x[..., 12:52].float() / 255, [20, 20], antialias=True)
    torch.testing.assert_close(view(x, "raw", size=(20, 20)).x, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (3, 4)])
def test_the_smallest_views_are_still_numbers(size):
    for kind, variant in KINDS[:-1]:
        assert view(images(4, 3, 4), kind, variant, size=size).x.isfinite().all()


def test_weak_0_is_reflect_padding_cut_back_and_flipped():
    x = images(64)
    changed = view(x, "weak")
    padded = TF.pad(x, [4], padding_mode="reflect").float() / 255
    down, across = ((changed.params["crop"][:, axis] * 32).round().int() + 4 for axis in (0, 1))
    assert set(down.tolist()) == set(range(9)) == set(across.tolist())
    for i in range(64):
        expected = TF.crop(padded[i], int(down[i]), int(across[i]), 32, 32)
        expected = expected.flip(-1) if changed.params["flip"][i] else expected
        assert torch.allclose(changed.x[i], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [(32, 32), (12, 20)])
def test_weak_1_is_torchvisions_resized_crop_of_the_box_it_reports(size):
    x = images(16, 3, 40, 36)
    changed = view(x, "weak", 1, size=size)
    boxes = (changed.params["crop"] * torch.tensor([40, 36, 40, 36])).round().int().tolist()
    for i, box in enumerate(boxes):
        expected = TF.resized_crop(x[i].float() / 255, *box, list(size), antialias=True)
        expected = expected.flip(-1) if changed.params["flip"][i] else expected
        assert torch.allclose(changed.x[i], expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("stored", "low", "high"), [((32, 32), 0.08, 1.0), ((40, 24), 0.2, 0.6), ((20, 60), 0.3, 1.0)]
)
def test_random_boxes_are_distributed_as_torchvisions(stored, low, high):
    n = 4000
    box = random_box(Draws(0, 0, total=n), *stored, low, high)
    torch.manual_seed(0)
    transform = T.RandomResizedCrop(8, scale=(low, high))
    sample = torch.zeros(1, *stored)
    params = [transform.make_params([sample]) for _ in range(n)]
    theirs = torch.tensor([[p["top"], p["left"], p["height"], p["width"]] for p in params]).float()
    for name, measure in {
        "area": lambda b: b[:, 2] * b[:, 3],
        "ratio": lambda b: b[:, 3] / b[:, 2],
        "top": lambda b: b[:, 0],
        "left": lambda b: b[:, 1],
    }.items():
        assert stats.ks_2samp(measure(box), measure(theirs)).pvalue > 1e-3, name
    assert torch.equal(box, box.round())
    assert bool((box[:, :2] >= 0).all())
    assert bool((box[:, 0] + box[:, 2] <= stored[0]).all() and (box[:, 1] + box[:, 3] <= stored[1]).all())


def test_crop_range_can_be_one_a_row():
    low = torch.linspace(0.1, 0.9, 512)
    crop = view(images(512), low=low, high=low + 0.1, flip=0.0).params["crop"]
    area = crop[:, 2] * crop[:, 3]
    fitted = low < 0.7  # nearer the whole image most shapes do not fit
    assert ((area - low - 0.05).abs()[fitted] < 0.05 + 2 / 32).all()


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_with_every_change_off_a_strong_view_of_everything_is_the_image(bands):
    x = images(8, bands)
    extra = {3: {"grey": 0.0}, 4: {"band_dropout": 0.0}}.get(bands, {})
    whole = view(x, low=1.0, high=1.0, **QUIET, **extra).x
    torch.testing.assert_close(whole, view(x, "raw").x, rtol=0, atol=1e-7)


def test_a_flip_is_the_exact_mirror_image():
    x = images(4)
    still, flipped = (view(x, "weak", 1, flip=flip, size=(20, 20)).x for flip in (0.0, 1.0))
    assert torch.equal(flipped, still.flip(-1))


@pytest.mark.parametrize(("bands", "probability"), [(1, 0.0), (2, 0.5), (3, 0.5), (4, 0.5)])
def test_greyscale_is_not_flipped_and_other_images_are_half_the_time(bands, probability):
    for kind, variant in KINDS[1:]:
        share(view(images(2000, bands, 8), kind, variant).params["flip"], probability)


def test_greyscale_is_flipped_when_asked():
    assert view(images(4, 1), "weak", flip=1.0).params["flip"].all()


@pytest.mark.parametrize("bands", [1, 3])
def test_a_turn_moves_a_painted_spot_where_its_parameters_say(bands):
    """A soft spot off the centre; the crop is the whole image, so the turn alone decides where it goes."""
    n, side = 32, 33
    place = torch.arange(side).float() - 16
    spot = torch.exp(-((place[:, None] - 5) ** 2 + (place + 5) ** 2) / 8)
    changed = view(spot.expand(n, bands, side, side), low=1.0, high=1.0, **(QUIET | {"turn": 1.0}))
    p = changed.params
    assert p["angle"].abs().max() > 10 and (p["zoom"] - 1).abs().max() > 0.05
    mass = changed.x[:, 0]
    row = (mass.sum(2) * place).sum(1) / mass.sum((1, 2))
    column = (mass.sum(1) * place).sum(1) / mass.sum((1, 2))
    # the reverse way: where in the image does the view's bright spot come from?
    y, x_ = row - p["shift"][:, 0] * side, column - p["shift"][:, 1] * side
    angle = torch.deg2rad(p["angle"])
    back_y = (-angle.sin() * x_ + angle.cos() * y) / p["zoom"]
    back_x = (angle.cos() * x_ + angle.sin() * y) / p["zoom"]
    torch.testing.assert_close(back_y, torch.full_like(back_y, 5.0), rtol=0, atol=0.15)
    torch.testing.assert_close(back_x, torch.full_like(back_x, -5.0), rtol=0, atol=0.15)


def test_a_turned_view_of_a_much_larger_image_does_not_alias():
    """Stripes of one pixel shrunk eightfold must come out grey, not as stripes of another width."""
    x = torch.zeros(8, 1, 256, 256)
    x[..., ::2] = 1
    y = view(x, "strong", size=(32, 32), low=0.9, **(QUIET | {"turn": 1.0})).x
    assert (y[:, :, 8:-8, 8:-8] - 0.5).abs().max() < 0.1


# colours


def jitter(n: int, **given: float) -> Jitter:
    value = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0} | given
    return Jitter(**{k: torch.full((n,), v) for k, v in value.items()}, order=Draws(0, 0, total=n).order(4))


NEVER = torch.zeros(2, dtype=torch.bool)
THEIRS = {
    "brightness": TF.adjust_brightness,
    "contrast": TF.adjust_contrast,
    "saturation": TF.adjust_saturation,
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.3])
def test_each_colour_change_is_torchvisions(name, factor):
    x = 0.3 + 0.3 * torch.rand(2, 3, 16, 16)  # far enough from 0 and 1 that nothing is cut
    mine = recolour(x, jitter(2, **{name: factor}), NEVER)
    torch.testing.assert_close(mine, THEIRS[name](x, factor), rtol=0, atol=1e-5)


def test_colour_changes_are_composed_in_each_rows_own_order():
    n = 64
    x = 0.4 + 0.2 * torch.rand(n, 3, 8, 8)
    drawn = draw_jitter(Draws(1, 0, total=n), torch.ones(n, dtype=torch.bool), (0.2, 0.4, 0.4, 0.0), 3)
    mine = recolour(x, drawn, torch.zeros(n, dtype=torch.bool))
    assert len({tuple(o) for o in drawn.order.tolist()}) > 15
    for i in range(n):
        expected = x[i]
        for which in drawn.order[i].tolist():
            name = ("brightness", "contrast", "saturation", "hue")[which]
            if name != "hue":
                expected = THEIRS[name](expected, getattr(drawn, name)[i].item())
        torch.testing.assert_close(mine[i], expected, rtol=0, atol=1e-5)


def test_greyscale_is_torchvisions():
    x = torch.rand(2, 3, 8, 8)
    expected = TF.rgb_to_grayscale(x, num_output_channels=3)
    torch.testing.assert_close(recolour(x, jitter(2), ~NEVER), expected, rtol=0, atol=1e-6)


def test_hue_keeps_greys_turns_a_third_into_the_next_band_and_is_near_torchvisions():
    x = torch.rand(2, 3, 8, 8)
    grey = x.mean(1, keepdim=True).expand_as(x)
    torch.testing.assert_close(recolour(grey, jitter(2, hue=0.1), NEVER), grey, rtol=0, atol=1e-5)
    third = recolour(x, jitter(2, hue=1 / 3), NEVER)
    torch.testing.assert_close(third, x.roll(1, dims=1), rtol=0, atol=1e-5)
    pale = 0.45 + 0.1 * x
    for hue in (-0.1, 0.05, 0.1):
        gap = recolour(pale, jitter(2, hue=hue), NEVER) - TF.adjust_hue(pale, hue)
        assert gap.abs().max() < 0.03 and gap.abs().mean() < 0.01


def test_solarise_is_torchvisions():
    x = torch.rand(2, 3, 8, 8)
    assert torch.equal(solarise(x), TF.solarize(x, 0.5))


@pytest.mark.parametrize("sigma", [0.1, 0.7, 2.0])
@pytest.mark.parametrize(("side", "kernel"), [(224, 23), (96, 9)])
def test_blur_is_torchvisions_with_a_tenth_of_the_side(sigma, side, kernel):
    x = torch.rand(2, 2, side, side)
    mine = blur(x, torch.tensor([sigma, 1.0]))
    torch.testing.assert_close(
        mine[:1], TF.gaussian_blur(x[:1], [kernel] * 2, [sigma] * 2), rtol=0, atol=2e-4
    )


def test_other_band_counts_get_brightness_contrast_gain_offset_and_lost_bands():
    n, bands = 3, 5
    x = torch.rand(n, bands, 4, 4)
    kept = torch.ones(n, bands, dtype=torch.bool)
    kept[1, 2] = False
    gain, offset = 1 + 0.1 * torch.rand(n, bands), 0.1 * torch.rand(n, bands)
    order = torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
    b, c = torch.tensor([0.8, 1.2, 1.0]), torch.tensor([0.5, 1.5, 0.7])
    mine = reband(x, Jitter(b, c, gain, offset, order), kept)
    for i in range(n):
        y = x[i]
        for which in order[i].tolist():
            y = {
                0: y * b[i],
                1: c[i] * y + (1 - c[i]) * y.mean(),
                2: y * gain[i][:, None, None],
                3: y + offset[i][:, None, None],
            }[which]
        torch.testing.assert_close(mine[i], y * kept[i][:, None, None], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("variant", "side", "strengths", "probabilities"),
    [
        (0, 32, (0.4, 0.4, 0.4, 0.1), {"grey": 0.2}),
        (1, 32, (0.4, 0.4, 0.2, 0.1), {"grey": 0.2, "solarise": 0.0}),
        (2, 32, (0.4, 0.4, 0.2, 0.1), {"grey": 0.2, "solarise": 0.2}),
        (0, 66, (0.8, 0.8, 0.8, 0.2), {"grey": 0.2, "blur": 0.5}),
        (1, 66, (0.4, 0.4, 0.2, 0.1), {"grey": 0.2, "blur": 1.0, "solarise": 0.0}),
        (2, 66, (0.4, 0.4, 0.2, 0.1), {"grey": 0.2, "blur": 0.1, "solarise": 0.2}),
    ],
)
def test_strong_views_apply_what_the_papers_say_as_often_and_as_strongly(
    variant, side, strengths, probabilities
):
    n = 600
    p = view(images(1, 3, side).expand(n, -1, -1, -1), variant=variant).params
    jittered = p["brightness"] != 1
    share(jittered, 0.8)
    for name, strength in zip(("brightness", "contrast", "saturation", "hue"), strengths, strict=True):
        middle = 0.0 if name == "hue" else 1.0
        drawn = p[name][jittered]
        assert bool((p[name][~jittered] == middle).all())
        uniform = stats.uniform(middle - strength, 2 * strength)
        assert stats.kstest(drawn, uniform.cdf).pvalue > 1e-3, name
    for name, probability in probabilities.items():
        applied = p[name] > 0 if name in p else torch.zeros(n)
        share(applied, probability)
    if side == 32:
        assert "blur" not in p
    else:
        drawn = p["blur"][p["blur"] > 0]
        assert drawn.min() >= 0.1 and drawn.max() <= 2


@pytest.mark.parametrize("option", ["flip", "jitter", "grey", "blur", "solarise", "turn", "noise", "cutout"])
def test_each_change_can_be_set_for_each_row(option):
    x = images(8, 3, 40)
    on = torch.arange(8) % 2
    grey = {"grey": 0.0}
    options = {"low": 1.0, "high": 1.0} | QUIET | grey | {option: on.float()}
    made = view(x, **options)
    y, plain = made.x, view(x, "raw").x
    # a turn goes by another way of resampling, equal up to rounding where it turns nothing
    changed = ((y - plain).abs() > 1e-5).flatten(1).any(1)
    if option == "blur":  # the narrowest Gaussians change nothing
        on = (made.params["blur"] > 0.25) & on.bool()
    assert torch.equal(changed, on.bool())


def test_a_lost_band_is_black_and_only_one_goes():
    y = view(images(500, 6, 8), band_dropout=1.0).x
    black = (y == 0).all(dim=(2, 3))
    assert torch.equal(black.sum(1), torch.ones(500, dtype=torch.long))
    assert black.any(0).all()


def test_strong_views_of_digits_differ_from_them_and_keep_their_class():
    """The nearest digit to a view, by correlation and its own left out, is mostly of its class."""
    data = load_digits()
    digits = torch.tensor(data.images[:1000]).float().div(16)[:, None]
    labels = torch.tensor(data.target[:1000])
    y = view(digits).x
    assert ((y - digits).flatten(1).norm(dim=1) > 0.5).float().mean() > 0.95
    a, b = (F.normalize(v.flatten(1) - v.flatten(1).mean(1, keepdim=True), dim=1) for v in (y, digits))
    nearest = (a @ b.T).fill_diagonal_(-1).argmax(1)
    assert (labels[nearest] == labels).float().mean() > 0.45


# local views


@pytest.mark.parametrize(
    ("size", "patch", "expected"),
    [((224, 224), 16, 96), ((224, 224), None, 96), ((32, 32), 4, 12), ((32, 32), None, 14), ((8, 8), 2, 4)],
)
def test_local_views_are_a_whole_number_of_patches(size, patch, expected):
    assert local_size(size, patch) == (expected, expected)
    x = images(2, 3, size[0])
    assert view(x, "local", patch=patch).x.shape[2:] == (expected, expected)


@pytest.mark.parametrize(("side", "low", "high"), [(96, 0.05, 0.4), (32, 0.1, 0.5)])
def test_local_views_show_a_small_part(side, low, high):
    crop = view(images(1, 3, side).expand(400, -1, -1, -1), "local").params["crop"]
    area = crop[:, 2] * crop[:, 3]
    assert area.min() > low - 0.02 and area.max() < high + 0.02
    assert area.max() - area.min() > 0.8 * (high - low)


# tokens


def test_patches_go_by_row_then_column_and_inside_by_row_column_band():
    x = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6).float()
    tokens = patchify(x, 2)
    assert tokens.shape == (2, 6, 12)
    for token, (row, column) in enumerate((r, c) for r in range(2) for c in range(3)):
        inside = x[:, :, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        assert torch.equal(tokens[:, token], inside.permute(0, 2, 3, 1).flatten(1))
    assert torch.equal(unpatchify(tokens, 2, (4, 6)), x)


@pytest.mark.parametrize(("kind", "variant"), KINDS)
@pytest.mark.parametrize("turn", [0.0, 1.0])
def test_where_says_where_each_token_lay(kind, variant, turn):
    """The image is painted with its own coordinates; a token's mean colour must be its place."""
    n, side, patch = 16, 64, 4
    place = (torch.arange(side) + 0.5) / side
    x = torch.stack(torch.meshgrid(place, place, indexing="ij")).expand(n, 2, side, side)
    options = {} if kind == "raw" else QUIET | {"flip": 0.5, "turn": turn, "band_dropout": 0.0}
    changed = view(x, kind, variant, size=(32, 32), patch=patch, **options)
    rows, columns = (s // patch for s in changed.x.shape[2:])
    mean = patchify(changed.x, patch).reshape(n, rows * columns, -1, 2).mean(2)
    assert changed.where.shape == mean.shape
    # away from the edges of crop and image, where pixels are repeated, it is exact
    grid = torch.arange(rows * columns)
    within = (
        (grid // columns > 0)
        & (grid // columns < rows - 1)
        & (grid % columns > 0)
        & (grid % columns < columns - 1)
    )
    clear = ((changed.where > 0.12) & (changed.where < 0.88)).all(-1) & within
    assert clear.float().mean() > 0.1
    torch.testing.assert_close(mean[clear], changed.where[clear], rtol=0, atol=2e-3)
    assert (mean - changed.where).abs().max() < 0.08
    assert changed.where.min() >= 0 and changed.where.max() <= 1


def test_where_is_left_out_without_whole_patches():
    assert view(images(2)).where is None
    assert view(images(2), patch=5).where is None


def test_pixels_are_taken_as_0_to_1():
    assert torch.equal(unit(torch.tensor([0, 255], dtype=torch.uint8)), torch.tensor([0.0, 1.0]))
    x = torch.rand(3)
    assert unit(x) is x


# what is refused


@pytest.mark.parametrize(
    ("bands", "kind", "variant", "options", "message"),
    [
        (3, "strong", 0, {"lowe": 0.1}, "did you mean 'low'"),
        (3, "strong", 0, {"gray": 0.1}, "did you mean 'grey'"),
        (3, "strong", 0, {"low": 0.9, "high": 0.5}, "0.9 to 0.5"),
        (3, "strong", 0, {"low": 0.0}, "0 < low"),
        (3, "strong", 0, {"high": 1.5}, "from 0 to 1"),
        (3, "strong", 0, {"low": float("nan")}, "from 0 to 1"),
        (3, "local", 0, {"low": 0.6}, "0.6 to 0.5"),
        (3, "strong", 0, {"low": torch.tensor([0.1, 0.2, 0.3, -0.1])}, "from 0 to 1"),
        (3, "strong", 0, {"low": torch.tensor([0.1, 0.2])}, "one a row"),
        (3, "strong", 0, {"blur": 1.2}, "from 0 to 1"),
        (3, "strong", 0, {"flip": -0.1}, "from 0 to 1"),
        (3, "strong", 0, {"jitter": torch.tensor([0.0, 0.5, 2.0, 1.0])}, "from 0 to 1"),
        (3, "strong", 0, {"flip": "often"}, "must be a number"),
        (3, "weak", 0, {"low": 0.5}, "variant 1"),
        (3, "raw", 0, {"flip": 1.0}, "nothing is changed"),
        (3, "strong", 0, {"band_dropout": 0.1}, "neither one nor three"),
        (1, "strong", 0, {"band_dropout": 0.1}, "neither one nor three"),
        (1, "strong", 0, {"grey": 0.1}, "red, green and blue"),
        (4, "strong", 0, {"grey": 0.1}, "red, green and blue"),
        (3, "stronger", 0, {}, "did you mean 'strong'"),
        (3, "strong", 3, {}, "from 0 to 2"),
        (3, "weak", -1, {}, "from 0 to 1"),
    ],
)
def test_bad_options_are_refused_with_what_to_do(bands, kind, variant, options, message):
    with pytest.raises(OptionError, match=message):
        view(images(4, bands), kind, variant, **options)


@pytest.mark.parametrize("size", [(33, 32), (32, 64), (0, 8)])
def test_a_view_larger_than_the_stored_images_is_refused(size):
    with pytest.raises(OptionError, match="32×32"):
        view(images(2), size=size)


def test_what_is_no_batch_of_images_is_refused():
    with pytest.raises(OptionError, match="bands, height, width"):
        change(images(2)[0], Branch("raw"), Draws(0, 0, total=2), size=(8, 8), patch=None)
    with pytest.raises(OptionError, match="uint8"):
        view(images(2).int())


def test_patches_that_do_not_fit_are_refused():
    with pytest.raises(OptionError, match="patches of 5×5"):
        patchify(torch.rand(1, 3, 32, 32), 5)
    with pytest.raises(OptionError, match="are not the patches"):
        unpatchify(torch.rand(1, 3, 12), 2, (4, 4))
    with pytest.raises(OptionError, match="smaller patch"):
        view(images(2, 3, 8), "local", patch=8)


def test_every_option_of_the_table_is_a_field_of_a_look():
    assert set(looks.OPTIONS) <= set(looks.Look.__dataclass_fields__)


def test_resampling_never_invents_brightness():
    box = torch.tensor([[3.0, 2.0, 20.0, 9.0]])
    flat = torch.full((1, 3, 40, 40), 200, dtype=torch.uint8)
    y = resample(flat, Crop(box, torch.tensor([True])), (7, 31))
    torch.testing.assert_close(y, torch.full_like(y, 200 / 255), rtol=0, atol=1e-6)
