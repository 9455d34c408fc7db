"""Settings that no recorded case has: what nodes give is what the field's rules, written out here a second time, say."""

import math
import re
from collections.abc import Callable, Mapping
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image as Pictures
from scipy import ndimage
from torch import Tensor

from nodes.builtin import all_nodes
from nodes.diffusion.joined_latents import JoinedLatents
from nodes.diffusion.values import Cond, Latent
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

NODES = {entry.spec.id: entry for entry in all_nodes()}
WAYS = ("right", "down", "left", "up")


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    return Surroundings(Workspace(tmp_path_factory.mktemp("workspace")))


def wave(*shape: int, start: float = 0.0) -> Tensor:
    """A texture in 0..1, different in every element."""
    count = torch.arange(math.prod(shape), dtype=torch.float64) + start * 1000
    return (0.5 + 0.3 * (count * 0.0137).sin() + 0.2 * (count * 1.7 + 0.5).sin()).float().reshape(shape)


def close(made: Tensor, want: Tensor) -> None:
    assert made.shape == want.shape and made.dtype == want.dtype
    assert torch.allclose(made, want, rtol=2e-4, atol=2e-4)


def with_alpha(image: Tensor, channels: int) -> Tensor:
    return F.pad(image, (0, channels - image.shape[-1]), value=1.0)


def through_eight_bits(image: Tensor, width: int, height: int) -> Tensor:
    made = [
        np.asarray(Pictures.fromarray(one.numpy()).resize((width, height), Pictures.Resampling.LANCZOS))
        for one in (image * 255).clamp(0, 255).to(torch.uint8)
    ]
    return torch.from_numpy(np.stack(made).astype(np.float32) / 255)


@pytest.mark.parametrize("direction", WAYS)
@pytest.mark.parametrize(
    ("match", "spacing", "colour"), [(True, 3, "red"), (False, 0, "white"), (False, 4, "blue")]
)
def test_pictures_side_by_side(ctx: Surroundings, direction: str, match: bool, spacing: int, colour: str):
    one, two = wave(2, 10, 14, 3), wave(1, 13, 9, 4, start=1)
    across = direction in ("left", "right")
    made = NODES["ImageStitch"].run(
        ctx,
        image1=one,
        image2=two,
        direction=direction,
        match_image_size=match,
        spacing_width=spacing,
        spacing_color=colour,
    )
    second = torch.cat((two, two))
    if match:
        second = through_eight_bits(second, *((9 * 10 // 13, 10) if across else (14, 13 * 14 // 9)))
    else:
        ground = float(colour == "white")
        if across:
            one = F.pad(one, (0, 0, 0, 0, 1, 2), value=ground)
        else:
            second = F.pad(second, (0, 0, 2, 3), value=ground)
    parts = [with_alpha(one, 4), second]
    if spacing:
        tall, wide, strip_width = *parts[0].shape[1:3], spacing + spacing % 2
        strip = torch.zeros(2, *((tall, strip_width) if across else (strip_width, wide)), 4)
        strip[..., ("red", "green", "blue", "white").index(colour)] = 1.0
        strip[..., 3] = 1.0
        parts.insert(1, strip)
    close(made, torch.cat(parts[::-1] if direction in ("left", "up") else parts, 2 if across else 1))


@pytest.mark.parametrize("expand", [-3, -1, 0, 4])
@pytest.mark.parametrize("tapered", [True, False])
def test_masks_grow_and_shrink(ctx: Surroundings, expand: int, tapered: bool):
    mask = wave(2, 9, 13)
    corner = 0 if tapered else 1
    window = np.array([[corner, 1, corner], [1, 1, 1], [corner, 1, corner]])
    change = ndimage.grey_erosion if expand < 0 else ndimage.grey_dilation
    want: list[Tensor] = []
    for plane in mask.numpy():
        for _ in range(abs(expand)):
            plane = change(plane, footprint=window)
        want.append(torch.from_numpy(plane.copy()))
    close(NODES["GrowMask"].run(ctx, mask=mask, expand=expand, tapered_corners=tapered), torch.stack(want))


BLENDS: Mapping[str, Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "DARKEN": lambda s, a, d, b: ((1 - b) * s + (1 - a) * d + torch.minimum(s, d), a + b - a * b),
    "SCREEN": lambda s, a, d, b: (s + d - s * d, a + b - a * b),
    "MULTIPLY": lambda s, a, d, b: (s * d, a * b),
    "SRC_ATOP": lambda s, a, d, b: (b * s + (1 - a) * d, b),
    "SRC_IN": lambda s, a, d, b: (s * b, a * b),
    "DST_OVER": lambda s, a, d, b: (d + (1 - b) * s, b + (1 - b) * a),
    "XOR": lambda s, a, d, b: ((1 - b) * s + (1 - a) * d, (1 - b) * a + (1 - a) * b),
}


@pytest.mark.parametrize("mode", BLENDS)
def test_pictures_composed(ctx: Surroundings, mode: str):
    source, destination = wave(3, 9, 13, 3), wave(2, 9, 13, 3, start=1)
    masks = wave(2, 9, 13, start=2), wave(2, 9, 13, start=3)
    made = NODES["PorterDuffImageComposite"].run(
        ctx,
        source=source,
        source_alpha=masks[0],
        destination=destination,
        destination_alpha=masks[1],
        mode=mode,
    )
    a, b = ((1 - mask)[..., None] for mask in masks)
    colour, alpha = BLENDS[mode](source[:2] * a, a, destination * b, b)
    close(made[0], torch.where(alpha > 1e-5, colour / alpha, 0.0).clamp(0, 1))
    close(made[1], 1 - alpha[..., 0])


@pytest.mark.parametrize(("x", "y", "feather"), [(16, 8, 0), (24, 16, 16), (8, 0, 40), (0, 24, 24)])
def test_latents_put_onto_others_fade_where_they_do_not_meet_the_border(
    ctx: Surroundings, x: int, y: int, feather: int
):
    onto, put = wave(2, 4, 8, 9), wave(1, 4, 4, 5, start=1)
    made = NODES["LatentComposite"].run(
        ctx, samples_to=Latent(onto), samples_from=Latent(put), x=x, y=y, feather=feather
    )
    want, mask = onto.clone(), torch.ones(4, 5)
    top, left = y // 8, x // 8
    for step in range(min(feather // 8, 5)):
        share = (step + 1) / (feather // 8)
        for shown, edge in ((top != 0, mask[step : step + 1]), (top + 4 < 8, mask[3 - step : 4 - step])):
            if shown and step < 4:
                edge *= share
        for shown, edge in (
            (left != 0, mask[:, step : step + 1]),
            (left + 5 < 9, mask[:, 4 - step : 5 - step]),
        ):
            if shown:
                edge *= share
    place = want[:, :, top : top + 4, left : left + 5]
    tall, wide = place.shape[-2:]
    place.copy_(put[..., :tall, :wide] * mask[:tall, :wide] + place * (1 - mask[:tall, :wide]))
    close(made.samples, want)


@pytest.mark.parametrize("spacing", ["linear", "cosine", "sine"])
@pytest.mark.parametrize(("start", "end"), [(-1.0, 2.5), (7.0, 0.0), (3.0, 5.0)])
def test_levels_between_levels(ctx: Surroundings, spacing: str, start: float, end: float):
    given = [14.0, 7.0, 3.0, 0.0]
    between = np.linspace(0, 1, 5)[1:-1]
    between = {
        "linear": between,
        "cosine": np.sin(between * np.pi / 2),
        "sine": 1 - np.cos(between * np.pi / 2),
    }[spacing]
    want: list[float] = []
    for here, there in pairwise(given):
        inside = end <= here <= (math.inf if start < 0 else start)
        want += [here, *([here + float(share) * (there - here) for share in between] if inside else [])]
    made = NODES["ExtendIntermediateSigmas"].run(
        ctx, sigmas=torch.tensor(given), steps=4, start_at_sigma=start, end_at_sigma=end, spacing=spacing
    )
    close(made, torch.tensor([*want, 0.0]))


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_text_averaged_with_shorter_and_longer_text(ctx: Surroundings, strength: float):
    onto = (Cond(wave(1, 7, 8), wave(1, 8)), Cond(wave(1, 3, 8, start=1)))
    other = Cond(wave(1, 5, 8, start=2), wave(1, 8, start=3))
    made = NODES["ConditioningAverage"].run(
        ctx, conditioning_to=onto, conditioning_from=(other, onto[0]), conditioning_to_strength=strength
    )
    filled = F.pad(other.context, (0, 0, 0, 2))
    close(made[0].context, onto[0].context * strength + filled * (1 - strength))
    close(made[1].context, onto[1].context * strength + other.context[:, :3] * (1 - strength))
    assert onto[0].pooled is not None and other.pooled is not None
    close(made[0].pooled, onto[0].pooled * strength + other.pooled * (1 - strength))
    close(made[1].pooled, other.pooled)


@pytest.mark.parametrize("text", ["Cat cat\nCAT dog\n42 + 17", "key=val; k2=v2", ""])
@pytest.mark.parametrize("pattern", [r"\d+", r"(\w+)=(\w+)", "^c.t", "(?P<n>k)(\\d)?", "", "(cat)|(dog)"])
@pytest.mark.parametrize("group", [0, 1, 2, 7])
def test_what_patterns_find(ctx: Surroundings, text: str, pattern: str, group: int):
    def found(mode: str) -> str:
        told = {
            "string": text,
            "regex_pattern": pattern,
            "mode": mode,
            "group_index": group,
            "multiline": True,
        }
        return NODES["RegexExtract"].run(ctx, **told)

    read = re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    first, groups = read.search(text), read.groups
    everything = [entry[0] if isinstance(entry, tuple) else entry for entry in read.findall(text)]
    assert found("First Match") == (first.group(0) if first else "")
    assert found("All Matches") == "\n".join(everything)
    assert found("First Group") == ((first.group(group) or "") if first and group <= groups else "")
    listed = [one.group(group) or "" for one in read.finditer(text)] if groups and group <= groups else []
    assert found("All Groups") == "\n".join(listed)


def test_lanczos_rounds_to_eight_bits_at_the_same_size_too(ctx: Surroundings):
    node, image = NODES["ResizeImageMaskNode"], wave(1, 6, 8, 3)
    by = {"resize_type": "scale by multiplier", "multiplier": 1.0}
    same = {"resize_type": "scale dimensions", "width": 0, "height": 0, "crop": "center"}
    close(node.run(ctx, input=image, resize_type=by, scale_method="lanczos"), (image * 255).floor() / 255)
    assert node.run(ctx, input=image, resize_type=by, scale_method="bicubic") is image
    assert node.run(ctx, input=image, resize_type=same, scale_method="lanczos") is image


def test_text_is_shown_as_it_is_written(ctx: Surroundings):
    shown = NODES["PreviewAny"].run(ctx, source={"ä": ["漢"]}).ui["text"]
    assert shown == ['{\n    "ä": [\n        "漢"\n    ]\n}']


def test_frames_that_do_not_fit_change_nothing_whatever_their_size(ctx: Surroundings):
    node, onto = NODES["ReplaceVideoLatentFrames"], Latent(wave(1, 4, 8, 9))
    assert node.run(ctx, destination=onto, source=Latent(wave(1, 4, 10, 7)), index=0) is onto
    rows = Latent(wave(1, 4, 2, 9, start=1), extra={"type": "of the source"})
    made = node.run(ctx, destination=onto, source=rows, index=-2)
    assert torch.equal(made.samples[:, :, 6:], rows.samples) and torch.equal(
        made.samples[:, :, :6], onto.samples[:, :, :6]
    )
    assert made.extra == rows.extra


@pytest.mark.parametrize("length", [6, 10, 14])
def test_a_video_that_has_a_sound_keeps_its_length(ctx: Surroundings, length: int):
    node, video = NODES["LTXVConcatAVLatent"], Latent(wave(1, 16, 3, 4, 4))
    old = JoinedLatents(video, Latent(torch.zeros(1, 8, 10, 16)))
    sound = Latent(wave(1, 8, length, 16), noise_mask=torch.zeros(1, 8, length, 16))
    made = node.run(ctx, video_latent=old, audio_latent=sound)
    kept = min(length, 10)
    assert made.video.samples is video.samples
    assert torch.equal(made.audio.samples[:, :, :kept], sound.samples[:, :, :kept])
    assert made.audio.samples.shape == (1, 8, 10, 16) and not made.audio.samples[:, :, kept:].any()
    assert made.audio.noise_mask.sum() == (10 - kept) * 8 * 16
    with pytest.raises(NodeError, match="more than their length"):
        node.run(ctx, video_latent=old, audio_latent=Latent(torch.zeros(1, 8, length - 1, 12)))
