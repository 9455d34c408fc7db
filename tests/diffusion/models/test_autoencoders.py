"""Autoencoders beyond Stable Diffusion's: files in either layout, asked as the pipelines of their families ask them."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLFlux2, AutoencoderKLQwenImage, AutoencoderKLWan
from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers
from diffusers.pipelines.flux2.pipeline_flux2 import Flux2Pipeline
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.load import Placement, load_vae
from tests.diffusion.models.transformers import CPU, some

PLACEMENT = Placement(CPU, torch.float32, torch.float32)
TO_WAN = {"norm1.": "residual.0.", "conv1.": "residual.2.", "norm2.": "residual.3.", "conv2.": "residual.6."}


def filled(module: Any) -> Any:
    for seed, tensor in enumerate(module.state_dict().values()):
        if tensor.is_floating_point():
            tensor.copy_(some(*tensor.shape, seed=seed) * 0.1)
    return module.eval().requires_grad_(requires_grad=False)


def wan(kind: Any) -> Any:
    return filled(kind(base_dim=8, z_dim=16))


def in_wans_names(name: str) -> str:
    """The original layout's name of a tensor of diffusers'."""
    for ours, theirs in (("post_quant_conv.", "conv2."), ("quant_conv.", "conv1.")):
        if name.startswith(ours):
            return name.replace(ours, theirs)
    half, part, *rest = name.split(".")
    if part == "conv_in":
        return f"{half}.conv1.{rest[0]}"
    if part in ("norm_out", "conv_out"):
        return f"{half}.head.{'0' if part == 'norm_out' else '2'}.{rest[0]}"
    last = ".".join(rest[1:] if part == "down_blocks" else rest[2 if part == "mid_block" else 3 :])
    last = last.replace("conv_shortcut.", "shortcut.")
    last = next((new + last.removeprefix(old) for old, new in TO_WAN.items() if last.startswith(old)), last)
    if part == "mid_block":
        return f"{half}.middle.{1 if rest[0] == 'attentions' else 2 * int(rest[1])}.{last}"
    if part == "down_blocks":
        return f"{half}.downsamples.{rest[0]}.{last}"
    place = 3 if rest[1] == "upsamplers" else int(rest[2])
    return f"{half}.upsamples.{4 * int(rest[0]) + place}.{last}"


def saved(module: nn.Module, path: Path, named: Any = lambda name: name) -> Path:
    save_file({named(name): tensor.contiguous() for name, tensor in module.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("kind", [AutoencoderKLWan, AutoencoderKLQwenImage])
def test_wans_and_qwens_autoencoder_loads_from_the_original_layout(kind: Any, tmp_path: Path):
    module, picture = wan(kind), torch.rand(1, 16, 24, 3)
    path = saved(module, tmp_path / "vae.safetensors", in_wans_names)
    theirs = convert_wan_vae_to_diffusers(load_file(path))
    assert all(torch.equal(theirs[name], tensor) for name, tensor in module.state_dict().items())
    coder = load_vae(path, PLACEMENT)
    latents = coder.encode(picture)
    wanted = module.encode((picture * 2 - 1).movedim(-1, 1)[:, :, None]).latent_dist.mode()
    assert latents.shape == (1, 16, 1, 2, 3)
    assert torch.allclose(latents, wanted, atol=1e-5)
    shown = (module.decode(latents).sample[:, :, 0].movedim(1, -1) + 1) / 2
    assert torch.allclose(coder.decode(latents), shown.clamp(0, 1), atol=1e-5)
    assert torch.equal(coder.decode(latents[:, :, 0]), coder.decode(latents))
    assert coder.decode_tiled(latents, 2, 1).shape == picture.shape


def wan22() -> Any:
    """Wan 2.2's: levels with shortcuts, pixels read four at a time."""
    sizes = {"base_dim": 8, "decoder_base_dim": 12, "z_dim": 48}
    more = {"is_residual": True, "in_channels": 12, "out_channels": 12, "patch_size": 2}
    return filled(AutoencoderKLWan(**sizes, **more, scale_factor_spatial=16))


def in_wan22s_names(name: str) -> str:
    """The original layout's name: levels hold layers by number, what resizes after the blocks."""
    half, part, *rest = name.split(".")
    if part not in ("down_blocks", "up_blocks"):
        return in_wans_names(name)
    group = "downsamples" if part == "down_blocks" else "upsamples"
    if rest[1] != "resnets":
        return f"{half}.{group}.{rest[0]}.{group}.{2 if group == 'downsamples' else 3}.{'.'.join(rest[2:])}"
    last = ".".join(rest[3:]).replace("conv_shortcut.", "shortcut.")
    last = next((new + last.removeprefix(old) for old, new in TO_WAN.items() if last.startswith(old)), last)
    return f"{half}.{group}.{rest[0]}.{group}.{rest[2]}.{last}"


@pytest.mark.parametrize("form", ["original", "diffusers", "folder"])
def test_wan_22s_autoencoder_codes_videos_as_diffusers_in_each_form(form: str, tmp_path: Path):
    module, path = wan22(), tmp_path / "vae.safetensors"
    if form == "folder":
        module.save_pretrained(path := tmp_path / "vae")
    else:
        saved(module, path, in_wan22s_names if form == "original" else lambda name: name)
    coder, frames = load_vae(path, PLACEMENT), torch.rand(5, 32, 48, 3)
    assert (coder.pixels, coder.channels) == (16, 48)
    latents = coder.encode_video(frames)
    video = (frames * 2 - 1).movedim(-1, 0)[None]
    assert latents.shape == (1, 48, 2, 2, 3)
    assert torch.allclose(latents, module.encode(video).latent_dist.mode(), atol=1e-5)
    wide = latents / latents.abs().max()
    shown = (module.decode(wide).sample[0].movedim(0, -1) + 1) / 2
    assert torch.allclose(coder.decode(wide), shown.clamp(0, 1), atol=1e-5)
    assert float(shown.std()) > 1e-3


def test_it_loads_from_its_folder_and_by_diffusers_names(tmp_path: Path):
    module, latents = wan(AutoencoderKLQwenImage), some(1, 16, 1, 2, 2)
    module.save_pretrained(tmp_path / "vae")
    wanted = load_vae(tmp_path, PLACEMENT).decode(latents)
    assert torch.equal(load_vae(saved(module, tmp_path / "a.safetensors"), PLACEMENT).decode(latents), wanted)


def flux2() -> Any:
    module = AutoencoderKLFlux2(
        block_out_channels=(32, 32, 32, 32), layers_per_block=1, latent_channels=4, norm_num_groups=32
    )
    module = filled(module)
    module.bn.running_var.copy_(module.bn.running_var.abs() + 0.5)
    return module


def in_its_halves(name: str) -> str:
    return {"quant_conv": "encoder.", "post_quant_conv": "decoder."}.get(name.partition(".")[0], "") + name


@pytest.mark.parametrize("named", [lambda name: name, in_its_halves], ids=["outside", "in its halves"])
def test_flux_2s_latents_are_patches_of_unit_variance(named: Any, tmp_path: Path):
    module, picture = flux2(), torch.rand(1, 32, 48, 3)
    coder = load_vae(saved(module, tmp_path / "vae.safetensors", named), PLACEMENT)
    assert (coder.pixels, coder.channels) == (16, 16)
    wanted = _as_its_pipeline_encodes(module, (picture * 2 - 1).movedim(-1, 1))
    assert torch.allclose(coder.encode(picture), wanted, atol=1e-5)
    plain = wanted * (module.bn.running_var + 1e-4).sqrt().view(1, -1, 1, 1)
    plain = Flux2Pipeline._unpatchify_latents(plain + module.bn.running_mean.view(1, -1, 1, 1))
    shown = (module.decode(plain).sample.movedim(1, -1) + 1) / 2
    assert torch.allclose(coder.decode(wanted), shown.clamp(0, 1), atol=1e-5)


def _as_its_pipeline_encodes(module: Any, planes: Tensor) -> Tensor:
    latents = Flux2Pipeline._patchify_latents(module.encode(planes).latent_dist.mode())
    mean = module.bn.running_mean.view(1, -1, 1, 1)
    return (latents - mean) / (module.bn.running_var.view(1, -1, 1, 1) + module.config.batch_norm_eps).sqrt()


def test_latents_of_another_family_are_refused_in_words(tmp_path: Path):
    coder = load_vae(saved(wan(AutoencoderKLWan), tmp_path / "vae.safetensors"), PLACEMENT)
    with pytest.raises(DiffusionError, match=r"4 channels.*Wan 2\.1 and Qwen-Image"):
        coder.decode(torch.zeros(1, 4, 2, 2))
