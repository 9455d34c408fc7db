"""Odd pictures, masks and latents: what can be done is done by the field's rules, else the input is named."""

import sys
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from nodes.builtin import all_nodes
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.latents import Sharpen
from nodes.diffusion.values import Latent
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

NODES = {entry.spec.id: entry for entry in all_nodes()}


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    return Surroundings(Workspace(tmp_path_factory.mktemp("workspace")))


def image(batch: int = 1, height: int = 6, width: int = 8, channels: int = 3) -> Tensor:
    return torch.linspace(0, 1, batch * height * width * channels).reshape(batch, height, width, channels)


def mask(batch: int = 1, height: int = 6, width: int = 8) -> Tensor:
    return torch.linspace(0, 1, batch * height * width).reshape(batch, height, width)


def latent(*shape: int, **more: object) -> Latent:
    return Latent(torch.linspace(-1, 1, torch.Size(shape).numel()).reshape(shape), **more)  # type: ignore[arg-type]


def run(ctx: Surroundings, name: str, inputs: Mapping[str, object]) -> object:
    return NODES[name].run(ctx, **inputs)


PICTURE = latent(1, 4, 6, 8)
VIDEO = latent(1, 16, 3, 6, 8)
LAYERS = {"mode": "SRC_OVER", "source_alpha": mask(), "destination_alpha": mask()}

# What cannot be done: the node, its inputs, and what the message says.
REFUSED: list[tuple[str, dict[str, object], str]] = [
    ("ImageBatch", {"image1": image(), "image2": image(channels=1)}, "image1 and image2 .* 3 and 2 channels"),
    ("BatchImagesNode", {"images": {"image0": image(), "image1": image(channels=1)}}, "image0 and image1"),
    ("ImageBlend", {"image1": image(), "image2": image(channels=1)}, "image1 and image2"),
    ("ImageBlend", {"image1": image(2), "image2": image(3)}, "image1 holds 2 pictures and image2 3"),
    ("ImageBlur", {"image": image(), "blur_radius": 31}, "radius of 31 is too large for a picture of 8 x 6"),
    ("ImageSharpen", {"image": image(), "sharpen_radius": 6}, "radius of 6"),
    ("ImageCrop", {"image": image(), "x": -1}, "x is -1"),
    ("ImageCrop", {"image": image(), "width": 0}, "width is 0"),
    ("ImageCompositeMasked", {"destination": image(), "source": image(), "y": -8}, "y is -8"),
    ("ImageCompositeMasked", {"destination": image(), "source": image(channels=1)}, "destination and source"),
    (
        "ImageCompositeMasked",
        {"destination": image(), "source": image(), "mask": torch.zeros(0, 6, 8)},
        "empty batch",
    ),
    ("ImagePadForOutpaint", {"image": image(), "left": -8}, "left is -8"),
    ("ImageRGBToYUV", {"image": image(channels=1)}, "image has 1 channel;"),
    ("ImageYUVToRGB", {"Y": image(), "U": image(), "V": image(width=4)}, "V 4 x 6"),
    ("ImageYUVToRGB", {"Y": image(2), "U": image(3), "V": image(2)}, "U 3"),
    ("ImageColorToMask", {"image": image(channels=1)}, "image has 1 channel;"),
    ("ImageToMask", {"image": image(), "channel": "alpha"}, "no alpha channel"),
    ("ImageQuantize", {"image": image(channels=4), "dither": "none"}, "image has 4 channels"),
    ("ImageScale", {"image": image(), "width": -5, "height": 5, "upscale_method": "area"}, "-5 x 5"),
    ("ImageScaleBy", {"image": image(), "scale_by": 0.01, "upscale_method": "area"}, "0 x 0"),
    (
        "ImageScaleToTotalPixels",
        {"image": image(), "megapixels": 0.01, "resolution_steps": 256, "upscale_method": "area"},
        "0 x 0",
    ),
    (
        "ImageStitch",
        {"image1": image(height=1, width=1), "image2": image(height=90, width=8)},
        "has no length",
    ),
    ("JoinImageWithAlpha", {"image": image(channels=1), "alpha": mask()}, "image has 1 channel;"),
    (
        "PorterDuffImageComposite",
        {"source": image(channels=4), "destination": image(), **LAYERS},
        "source has 4 channels",
    ),
    (
        "RebatchImages",
        {"images": [image(), image(channels=4)], "batch_size": [2]},
        "images differ in channels: 3, 4",
    ),
    ("Canny", {"image": image(), "low_threshold": 0.9, "high_threshold": 0.5}, "low_threshold"),
    ("MaskComposite", {"destination": mask(), "source": mask(2)}, "destination holds 1 masks and source 2"),
    ("MaskComposite", {"destination": mask(), "source": mask(), "x": -1}, "x is -1"),
    ("CropMask", {"mask": mask(), "y": -1}, "y is -1"),
    ("FeatherMask", {"mask": mask(), "top": -1}, "top is -1"),
    ("LatentAdd", {"samples1": PICTURE, "samples2": VIDEO}, "samples1 is .* samples2 .*differ in channels"),
    ("LatentAdd", {"samples1": latent(1, 64, 20), "samples2": latent(1, 64, 30)}, "samples2"),
    ("LatentBatch", {"samples1": PICTURE, "samples2": latent(1, 16, 6, 8)}, "differ in channels"),
    ("BatchLatentsNode", {"latents": {"latent0": PICTURE, "latent1": VIDEO}}, "latent0 is .* latent1"),
    ("LatentBlend", {"samples1": latent(2, 4, 6, 8), "samples2": latent(3, 4, 6, 8)}, "samples1 holds 2"),
    ("LatentComposite", {"samples_to": PICTURE, "samples_from": latent(1, 16, 6, 8)}, "samples_from"),
    ("LatentComposite", {"samples_to": PICTURE, "samples_from": latent(2, 4, 6, 8)}, "samples_from 2"),
    ("LatentCompositeMasked", {"destination": PICTURE, "source": VIDEO}, "destination is"),
    ("LatentCompositeMasked", {"destination": PICTURE, "source": PICTURE, "x": -8}, "x is -8"),
    ("LatentConcat", {"samples1": PICTURE, "samples2": latent(1, 4, 7, 8), "dim": "x"}, "do not fit along x"),
    ("LatentCrop", {"samples": PICTURE, "x": -8}, "x is -8"),
    ("LatentUpscaleBy", {"samples": PICTURE, "scale_by": 0.01, "upscale_method": "area"}, "0 x 0"),
    (
        "LatentApplyOperation",
        {"samples": PICTURE, "operation": Sharpen(6, 1.0, 0.1)},
        "sharpen_radius of 6 .* 8 x 6",
    ),
    ("NormalizeVideoLatentStart", {"latent": PICTURE}, "latent is of a picture"),
    (
        "ReplaceVideoLatentFrames",
        {"destination": VIDEO, "source": latent(1, 16, 1, 4, 8)},
        "differ in more than frames",
    ),
]


@pytest.mark.parametrize(
    ("name", "inputs", "said"), REFUSED, ids=[f"{row[0]}{n}" for n, row in enumerate(REFUSED)]
)
def test_what_does_not_fit_is_named_with_what_to_do(
    ctx: Surroundings, name: str, inputs: dict[str, object], said: str
):
    with pytest.raises((NodeError, DiffusionError), match=said) as caught:
        run(ctx, name, inputs)
    assert caught.value.hint


# What can be done: the node, its inputs, and the shape of its first output.
DONE: list[tuple[str, dict[str, object], tuple[int, ...]]] = [
    ("ImageBatch", {"image1": image(2), "image2": image(3, 4, 4, 4)}, (5, 6, 8, 4)),
    ("ImageBlend", {"image1": image(2), "image2": image(1, 4, 4, 4)}, (2, 6, 8, 3)),
    (
        "ImageCompositeMasked",
        {"destination": image(3), "source": image(2, 4, 4, 4), "mask": mask(2, 2, 2)},
        (3, 6, 8, 3),
    ),
    ("ImageCompositeMasked", {"destination": image(), "source": image(), "x": 500, "y": 500}, (1, 6, 8, 3)),
    (
        "ImageCompositeMasked",
        {"destination": image(), "source": image(), "mask": torch.ones(6, 8)},
        (1, 6, 8, 3),
    ),
    ("ImageCrop", {"image": image(channels=4), "x": 500, "y": 3}, (1, 3, 1, 4)),
    ("ImageFromBatch", {"image": image(3), "batch_index": 99, "length": 9}, (1, 6, 8, 3)),
    ("ImageStitch", {"image1": image(2), "image2": image(3, 4, 4, 4), "spacing_width": 3}, (3, 6, 18, 4)),
    ("ImageInvert", {"image": image(channels=1)}, (1, 6, 8, 1)),
    ("JoinImageWithAlpha", {"image": image(2, channels=4), "alpha": mask(3, 2, 2)}, (3, 6, 8, 4)),
    ("JoinImageWithAlpha", {"image": image(), "alpha": torch.ones(5, 5)}, (1, 6, 8, 4)),
    ("PorterDuffImageComposite", {"source": image(3, 4, 4), "destination": image(2), **LAYERS}, (1, 6, 8, 3)),
    ("Morphology", {"image": image(channels=4), "operation": "close", "kernel_size": 999}, (1, 6, 8, 4)),
    ("GrowMask", {"mask": mask(2), "expand": 16384}, (2, 6, 8)),
    ("CropMask", {"mask": mask(), "x": 500}, (1, 6, 0)),
    ("FeatherMask", {"mask": mask(), "left": 99, "bottom": 99}, (1, 6, 8)),
    ("MaskComposite", {"destination": mask(2), "source": mask(1, 99, 99), "x": 7, "y": 5}, (2, 6, 8)),
    ("MaskToImage", {"mask": torch.ones(6, 8)}, (1, 6, 8, 3)),
    ("BatchMasksNode", {"masks": {"mask0": torch.ones(6, 8), "mask1": mask(2, 3, 3)}}, (3, 6, 8)),
    ("LatentAdd", {"samples1": latent(3, 4, 6, 8), "samples2": latent(2, 4, 3, 3)}, (3, 4, 6, 8)),
    ("LatentAdd", {"samples1": VIDEO, "samples2": latent(2, 16, 3, 4, 4)}, (1, 16, 3, 6, 8)),
    (
        "LatentInterpolate",
        {"samples1": latent(3, 4, 6, 8), "samples2": latent(5, 4, 6, 8), "ratio": 0.3},
        (3, 4, 6, 8),
    ),
    ("LatentBlend", {"samples1": latent(2, 4, 6, 8), "samples2": latent(1, 4, 9, 9)}, (2, 4, 6, 8)),
    (
        "LatentComposite",
        {"samples_to": VIDEO, "samples_from": VIDEO, "x": 500, "feather": 999},
        (1, 16, 3, 6, 8),
    ),
    (
        "LatentCompositeMasked",
        {"destination": VIDEO, "source": VIDEO, "x": 16, "mask": mask(2)},
        (1, 16, 3, 6, 8),
    ),
    ("LatentCrop", {"samples": VIDEO, "x": 500, "y": 0, "height": 8, "width": 64}, (1, 16, 3, 1, 8)),
    ("LatentCut", {"samples": VIDEO, "dim": "t", "index": -99, "amount": 99}, (1, 16, 3, 6, 8)),
    ("LatentFromBatch", {"samples": latent(3, 4, 6, 8), "batch_index": 99, "length": 9}, (1, 4, 6, 8)),
    (
        "LatentUpscale",
        {"samples": PICTURE, "width": 0, "height": 8, "upscale_method": "bislerp"},
        (1, 4, 8, 10),
    ),
    ("LatentUpscaleBy", {"samples": VIDEO, "scale_by": 2.0, "upscale_method": "bislerp"}, (1, 16, 3, 12, 16)),
    ("LatentFlip", {"samples": VIDEO, "flip_method": "x-axis: vertically"}, (1, 16, 3, 6, 8)),
    ("LatentRotate", {"samples": VIDEO, "rotation": "90 degrees"}, (1, 16, 3, 8, 6)),
]


@pytest.mark.parametrize(
    ("name", "inputs", "shape"), DONE, ids=[f"{row[0]}{n}" for n, row in enumerate(DONE)]
)
def test_odd_inputs_are_brought_together(
    ctx: Surroundings, name: str, inputs: dict[str, object], shape: tuple[int, ...]
):
    made = run(ctx, name, inputs)
    first = made[0] if isinstance(made, tuple) else made
    tensor = first.samples if isinstance(first, Latent) else first
    assert isinstance(tensor, Tensor) and tuple(tensor.shape) == shape
    assert bool(tensor.isfinite().all())


def test_masks_of_any_size_stay_with_their_latents_when_regrouped(ctx: Surroundings):
    given = [latent(1, 4, 2, 2), latent(1, 4, 2, 2, noise_mask=torch.zeros(1, 1, 8, 8))]
    made = run(ctx, "RebatchLatents", {"latents": given, "batch_size": [2]})
    assert isinstance(made, list) and isinstance(made[0], Latent) and made[0].noise_mask is not None
    assert made[0].noise_mask.flatten(1).mean(1).tolist() == [1.0, 0.0]


def test_a_node_that_needs_a_package_says_which(ctx: Surroundings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)  # as Python has it of what cannot be imported
    with pytest.raises(NodeError, match="package av") as caught:
        run(ctx, "LTXVPreprocess", {"image": image()})
    assert "pip install av" in caught.value.hint
    assert run(ctx, "LTXVPreprocess", {"image": (same := image()), "img_compression": 0}) is same


def test_a_compressed_picture_is_cut_to_even_sides_and_much_as_it_was(ctx: Surroundings):
    pytest.importorskip("av")
    given = image(2, 33, 40, 4)
    made = run(ctx, "LTXVPreprocess", {"image": given})
    assert isinstance(made, Tensor) and made.shape == (2, 32, 40, 3)
    assert 0 < float((made - given[:, :32, :, :3]).abs().mean()) < 0.1
