"""Upscale models: one network in every layout of names, other factors, the compact kind, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion.errors import CheckpointUnreadable, DiffusionError
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.upscaler import Upscaler, load_upscaler

CPU = Placement(torch.device("cpu"), torch.float32, torch.float32)
WIDTH, GROWTH, BLOCKS = 8, 4, 2
PICTURE = torch.rand(1, 3, 10, 12, generator=torch.Generator().manual_seed(1))


def weights(taken: int = 3, doublings: int = 2) -> dict[str, Tensor]:
    """Of a tiny ESRGAN, by the names of Real-ESRGAN."""
    chance = torch.Generator().manual_seed(3)
    made: dict[str, Tensor] = {}

    def convolution(name: str, given: int, out: int) -> None:
        made[f"{name}.weight"] = torch.randn(out, given, 3, 3, generator=chance) / (given * 9) ** 0.5
        made[f"{name}.bias"] = torch.randn(out, generator=chance) * 0.1

    convolution("conv_first", taken, WIDTH)
    for block in range(BLOCKS):
        for dense in (1, 2, 3):
            for place in range(1, 6):
                out = WIDTH if place == 5 else GROWTH
                convolution(f"body.{block}.rdb{dense}.conv{place}", WIDTH + (place - 1) * GROWTH, out)
    for name in ("conv_body", *(f"conv_up{number + 1}" for number in range(doublings)), "conv_hr"):
        convolution(name, WIDTH, WIDTH)
    convolution("conv_last", WIDTH, 3)
    return made


def of_2018(name: str) -> str:
    for new, old in {
        "conv_first": "model.0",
        "conv_body": f"model.1.sub.{BLOCKS}",
        "conv_up1": "model.3",
        "conv_up2": "model.6",
        "conv_hr": "model.8",
        "conv_last": "model.10",
    }.items():
        name = name.replace(new, old)
    if name.startswith("body."):
        _, block, dense, convolution, kind = name.split(".")
        return f"model.1.sub.{block}.{dense.replace('rdb', 'RDB')}.{convolution}.0.{kind}"
    return name


def of_2019(name: str) -> str:
    for new, old in {
        "conv_body": "trunk_conv",
        "body.": "RRDB_trunk.",
        "rdb": "RDB",
        "conv_up": "upconv",
        "conv_hr": "HRconv",
    }.items():
        name = name.replace(new, old)
    return name


def loaded(folder: Path, state: dict[str, Tensor]) -> Upscaler:
    path = folder / "up.safetensors"
    save_file(state, path)
    return load_upscaler(path, CPU)


def plainly(state: dict[str, Tensor], planes: Tensor, doublings: int = 2) -> Tensor:
    """Wang et al. 2018, written out."""

    def convolved(name: str, given: Tensor) -> Tensor:
        return F.conv2d(given, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)

    def leaky(given: Tensor) -> Tensor:
        return torch.where(given > 0, given, 0.2 * given)

    first = convolved("conv_first", planes)
    through = first
    for block in range(BLOCKS):
        inside = through
        for dense in (1, 2, 3):
            parts = [inside]
            for place in range(1, 5):
                parts.append(leaky(convolved(f"body.{block}.rdb{dense}.conv{place}", torch.cat(parts, 1))))
            inside = inside + 0.2 * convolved(f"body.{block}.rdb{dense}.conv5", torch.cat(parts, 1))
        through = through + 0.2 * inside
    through = first + convolved("conv_body", through)
    for number in range(doublings):
        doubled = through.repeat_interleave(2, 2).repeat_interleave(2, 3)
        through = leaky(convolved(f"conv_up{number + 1}", doubled))
    return convolved("conv_last", leaky(convolved("conv_hr", through)))


@pytest.mark.parametrize(
    "named", [lambda name: name, of_2018, of_2019, lambda name: f"params_ema.{name}"], ids=range(4)
)
def test_esrgan_is_the_same_in_every_layout_of_names(tmp_path: Path, named: Callable[[str], str]):
    state = weights()
    network = loaded(tmp_path, {named(name): tensor for name, tensor in state.items()})
    assert network.scale == 4
    assert torch.allclose(network(PICTURE), plainly(state, PICTURE), atol=1e-5)


@pytest.mark.parametrize("folded", [2, 4])
def test_smaller_factors_fold_pixels_into_channels_first(tmp_path: Path, folded: int):
    state = weights(taken=3 * folded**2)
    network = loaded(tmp_path, state)
    assert network.scale == 4 // folded
    even = PICTURE[..., :8, :12]
    assert torch.allclose(network(even), plainly(state, F.pixel_unshuffle(even, folded)), atol=1e-5)
    odd = PICTURE[..., :7, :11]  # filled up with its last row and column
    filled = F.pad(odd, (0, 1, 0, 1), "replicate")
    wanted = plainly(state, F.pixel_unshuffle(filled, folded))[..., : 7 * network.scale, : 11 * network.scale]
    assert torch.allclose(network(odd), wanted, atol=1e-5)


def test_the_first_layout_counts_its_doublings(tmp_path: Path):
    state = weights(doublings=1)
    names = {"conv_up1": "model.3", "conv_hr": "model.5", "conv_last": "model.7"}
    moved: dict[str, Tensor] = {}
    for name, tensor in state.items():
        module, _, kind = name.rpartition(".")
        moved[f"{names[module]}.{kind}" if module in names else of_2018(name)] = tensor
    network = loaded(tmp_path, moved)
    assert network.scale == 2
    assert torch.allclose(network(PICTURE), plainly(state, PICTURE, 1), atol=1e-5)


def test_the_compact_network_adds_to_the_picture_enlarged(tmp_path: Path):
    chance = torch.Generator().manual_seed(5)
    shapes = {0: (6, 3), 2: (6, 6), 4: (12, 6)}
    state = {
        f"body.{at}.weight": torch.randn(*shape, 3, 3, generator=chance) / 9 for at, shape in shapes.items()
    }
    state |= {f"body.{at}.bias": torch.randn(shape[0], generator=chance) for at, shape in shapes.items()}
    state |= {f"body.{at}.weight": torch.rand(6, generator=chance) for at in (1, 3)}
    network = loaded(tmp_path, state)
    through = PICTURE
    for at in (0, 2, 4):
        through = F.conv2d(through, state[f"body.{at}.weight"], state[f"body.{at}.bias"], padding=1)
        if at < 4:
            slope = state[f"body.{at + 1}.weight"].reshape(1, -1, 1, 1)
            through = through.clamp(min=0) + slope * through.clamp(max=0)
    wanted = F.pixel_shuffle(through, 2) + PICTURE.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert network.scale == 2
    assert torch.allclose(network(PICTURE), wanted, atol=1e-5)


def test_a_file_of_no_known_kind_says_what_would_read_it(tmp_path: Path):
    with pytest.raises(DiffusionError, match=r"up\.safetensors .*\(pip install spandrel\)"):
        loaded(tmp_path, {"layers.0.attn.weight": torch.zeros(4, 4)})


def test_a_file_that_is_cut_short_says_which_tensor_is_missing(tmp_path: Path):
    state = weights()
    del state["body.0.rdb2.conv3.bias"]
    with pytest.raises(CheckpointUnreadable, match=r"lacks 1 of \d+ tensors, body\.0\.1\.2\.bias"):
        loaded(tmp_path, state)
