"""Control networks of transformers: stepping as diffusers' pipelines do, told from files in every layout."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxControlNetModel,
    FluxControlNetPipeline,
    FluxPipeline,
    QwenImageControlNetModel,
    SD3ControlNetModel,
    StableDiffusion3ControlNetInpaintingPipeline,
    StableDiffusion3ControlNetPipeline,
)
from safetensors.torch import save_file
from torch import Tensor, nn

from nodes.diffusion.denoiser import ControlNetwork, NetworkInputs
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import Guided
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.models.controls import Company, load_control_file
from nodes.diffusion.models.controls.layouts import STABILITY, XLABS
from nodes.diffusion.models.families.layout import places_in_network
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.noise import start_noise
from nodes.diffusion.residuals import Residuals, Row, Spread
from nodes.diffusion.values import PIXEL_SPACE, CheckpointRef, Cond, ControlNet, ControlUse
from tests.diffusion.models.test_transformers import PLACEMENT, in_a_file
from tests.diffusion.models.transformers import some
from tests.diffusion.test_flow_pipeline_parity import (
    GUIDANCE,
    SCALE,
    SEED,
    SHAPE,
    STEPS,
    Kept,
    compared,
    loaded,
    vae,
)

STRENGTH = 0.6
PICTURE = torch.rand(2, 64, 96, 3, generator=torch.Generator().manual_seed(4))
MASK = torch.zeros(2, 64, 96)
MASK[:, 16:48, 24:64] = 1.0
Controls = Callable[[ControlUse, Any], ControlNetwork]


def coder(form: str) -> AutoencoderKL:
    """An autoencoder whose latents are certain, with a family's scale."""
    made, known = vae(), latent_format(form)
    made.quant_conv.weight.data[16:] = 0.0
    made.quant_conv.bias.data[16:] = -40.0
    made.register_to_config(scaling_factor=known.scale, shift_factor=known.shift)
    return made.eval().requires_grad_(False)


class Encoder:
    """It, as hints are made with."""

    def __init__(self, module: AutoencoderKL) -> None:
        self.module = module

    def encode(self, image: Tensor) -> Tensor:
        return self.module.encode(image.movedim(-1, 1) * 2 - 1).latent_dist.mean


def random(module: nn.Module) -> nn.Module:
    chance = torch.Generator().manual_seed(3)
    for tensor in module.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape, generator=chance) * 0.2)
    return module.eval().requires_grad_(False)


def use(kind: int | None = None, mask: Tensor | None = None) -> ControlUse:
    net = ControlNet(CheckpointRef(Path("net.safetensors"), "abc"), kind=kind)
    return ControlUse(net, PICTURE, STRENGTH, vae=PIXEL_SPACE, mask=mask)


def at_work(path: Path, encoder: AutoencoderKL | None = None) -> Controls:
    file = load_control_file(path, PLACEMENT)

    def find(asked: ControlUse, network: LoadedNetwork) -> ControlNetwork:
        return file.beside(Company(asked.net, network, None if encoder is None else lambda: Encoder(encoder)))

    return find


def written(module: nn.Module, path: Path) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in module.state_dict().items()}, path)
    return path


def sd3_net(module: Any, **more: Any) -> nn.Module:
    said = module.config
    same = ("attention_head_dim", "num_attention_heads", "joint_attention_dim", "caption_projection_dim")
    settings = {
        name: said[name] for name in (*same, "pooled_projection_dim", "pos_embed_max_size", "qk_norm")
    }
    return random(SD3ControlNetModel(**settings | {"num_layers": 1} | more))


@pytest.mark.parametrize("sort", ["InstantX", "Stability AI", "AliMama"])
def test_stable_diffusion_3_steps_as_its_pipeline(tmp_path: Path, sort: str):
    head = {"attention_head_dim": 64, "num_attention_heads": 1, "caption_projection_dim": 64}
    module, network = loaded("Stable Diffusion 3", tmp_path, in_channels=16, out_channels=16, **head)
    encoder = coder("SD3")
    if sort == "Stability AI":
        large = {"use_pos_embed": False, "joint_attention_dim": None, "qk_norm": None}
        net = sd3_net(module, **large, force_zeros_for_pooled_projection=False)
        path = written(net, tmp_path / "net.safetensors")
    else:
        net = sd3_net(module, extra_conditioning_channels=1 if sort == "AliMama" else 0)
        path = written(net, tmp_path / "net.safetensors")
    made_by: Any = StableDiffusion3ControlNetPipeline
    shown: dict[str, Any] = {"control_image": PICTURE.movedim(-1, 1) * 2 - 1}
    if sort == "AliMama":
        made_by = StableDiffusion3ControlNetInpaintingPipeline
        shown["control_mask"] = MASK[:, None]
    scheduler, nothing = FlowMatchEulerDiscreteScheduler(shift=3.0), None
    pipeline = made_by(module, scheduler, encoder, *[nothing] * 6, net)
    pipeline.set_progress_bar_config(disable=True)
    texts, pooled, kept = (
        (some(1, 9, 24, seed=1), some(1, 9, 24, seed=2)),
        (some(1, 20), some(1, 20, seed=4)),
        Kept(),
    )
    pipeline(
        prompt_embeds=texts[0].expand(2, -1, -1),
        negative_prompt_embeds=texts[1].expand(2, -1, -1),
        pooled_prompt_embeds=pooled[0].expand(2, -1),
        negative_pooled_prompt_embeds=pooled[1].expand(2, -1),
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        height=SHAPE[2] * 8,
        width=SHAPE[3] * 8,
        latents=start_noise(SHAPE, SEED),
        controlnet_conditioning_scale=STRENGTH,
        output_type="latent",
        callback_on_step_end=kept,
        **shown,
    )
    asked = use(mask=MASK if sort == "AliMama" else None)
    positive, negative = (
        Cond(text, said, controls=(asked,)) for text, said in zip(texts, pooled, strict=True)
    )
    guided = Guided(network, (positive,), (negative,), SCALE, at_work(path, encoder))
    compared(guided, scheduler.sigmas, kept)


def flux_net(module: Any, **more: Any) -> nn.Module:
    said = module.config
    same = ("attention_head_dim", "num_attention_heads", "joint_attention_dim", "pooled_projection_dim")
    settings = {name: said[name] for name in (*same, "axes_dims_rope", "in_channels")}
    return random(FluxControlNetModel(**settings | {"num_layers": 1, "num_single_layers": 1} | more))


@pytest.mark.parametrize(
    "more",
    [
        {"guidance_embeds": True},
        {"num_mode": 4, "num_single_layers": 0},
        {"conditioning_embedding_channels": 16, "patch_size": 2, "num_single_layers": 0},
    ],
    ids=["InstantX", "union", "XLabs"],
)
def test_flux_steps_as_its_pipeline(tmp_path: Path, more: dict[str, Any]):
    module, network = loaded("FLUX.1", tmp_path, in_channels=64, guidance_embeds=True)
    encoder, net = coder("Flux"), flux_net(module, **more)
    text, pooled, kind = some(1, 9, 24, seed=1), some(1, 20), 2 if "num_mode" in more else None
    scheduler, nothing = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True), None
    pipeline = FluxControlNetPipeline(scheduler, encoder, *[nothing] * 4, module, net)
    pipeline.set_progress_bar_config(disable=True)
    kept, (batch, channels, height, width) = Kept(), SHAPE
    pipeline(
        prompt_embeds=text.expand(2, -1, -1),
        pooled_prompt_embeds=pooled.expand(2, -1),
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        height=height * 8,
        width=width * 8,
        control_image=PICTURE.movedim(-1, 1) * 2 - 1,
        control_mode=kind,
        controlnet_conditioning_scale=STRENGTH,
        latents=FluxPipeline._pack_latents(start_noise(SHAPE, SEED), batch, channels, height, width),
        output_type="latent",
        callback_on_step_end=kept,
    )
    wanted = [FluxPipeline._unpack_latents(each, height * 8, width * 8, 8) for each in kept]
    cond = Cond(text, pooled, extra={"guidance": GUIDANCE}, controls=(use(kind),))
    path = written(net, tmp_path / "net.safetensors")
    compared(Guided(network, (cond,), (cond,), 1.0, at_work(path, encoder)), scheduler.sigmas, wanted)


LAYOUTS: dict[str, Any] = {
    "XLabs": (XLABS, flux_net, "FLUX.1", {"conditioning_embedding_channels": 16, "num_single_layers": 0}),
    "Stability AI": (
        STABILITY,
        sd3_net,
        "Stable Diffusion 3",
        {"use_pos_embed": False, "joint_attention_dim": None, "qk_norm": None},
    ),
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_a_file_in_its_makers_layout_becomes_the_same(tmp_path: Path, layout: str):
    lines, made, family, more = LAYOUTS[layout]
    module, _ = loaded(family, tmp_path)
    net = made(module, **more)
    state = dict(net.state_dict())
    places = places_in_network(lines, {name: tuple(tensor.shape) for name, tensor in state.items()})
    assert {place.ours for place in places} == state.keys()
    file = {name: tensor.contiguous() for name, tensor in in_a_file(state, places).items()}
    save_file(file, tmp_path / "net.safetensors")
    again = load_control_file(tmp_path / "net.safetensors", PLACEMENT).module.state_dict()
    assert again.keys() == state.keys() and all(torch.equal(again[name], state[name]) for name in state)


def test_qwen_image_answers_as_diffusers_does(tmp_path: Path):
    module, network = loaded("Qwen-Image", tmp_path, in_channels=64, out_channels=16)
    said = module.config
    same = (
        "attention_head_dim",
        "num_attention_heads",
        "joint_attention_dim",
        "axes_dims_rope",
        "in_channels",
    )
    settings = {name: said[name] for name in same}
    net = random(QwenImageControlNetModel(**settings, num_layers=1, extra_condition_channels=4))
    path = written(net, tmp_path / "net.safetensors")
    latents, text, times = some(2, 16, 1, 8, 12), some(2, 5, 24, seed=3), torch.full((2,), 0.6)
    told = NetworkInputs(token_mask=torch.tensor([[1.0] * 5, [1.0, 1.0, 1.0, 0.0, 0.0]]))
    control = at_work(path, coder("SD3"))(use(mask=MASK), network)
    hint = control.hint(use(mask=MASK), 8, 12, latent_format("SD3"))
    assert hint.shape == (2, 17, 8, 12) and torch.equal(hint[:, 16], 1 - MASK[:, ::8, ::8])
    packed = FluxPipeline._pack_latents(latents[:, :, 0], 2, 16, 8, 12)
    whole = {
        "encoder_hidden_states": text,
        "encoder_hidden_states_mask": told.token_mask,
        "timestep": times,
        "img_shapes": [[(1, 4, 6)]] * 2,
        "return_dict": False,
    }
    with torch.no_grad():
        parts = net(packed, FluxPipeline._pack_latents(hint, 2, 17, 8, 12), **whole)
        wanted = module(packed, controlnet_block_samples=parts, **whole)[0]
    made = network(latents, times, text, residuals=control(latents, times, text, hint, told), inputs=told)
    plain = network(latents, times, text, inputs=told)
    wanted = FluxPipeline._unpack_latents(wanted, 64, 96, 8)
    torch.testing.assert_close(made[:, :, 0], wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(made, plain, atol=1e-2)


def test_what_does_not_go_together_is_said(tmp_path: Path):
    stable, _ = loaded("Stable Diffusion 3", tmp_path)
    path = written(sd3_net(stable, extra_conditioning_channels=1), tmp_path / "net.safetensors")
    _, network = loaded("FLUX.1", tmp_path)
    with pytest.raises(
        DiffusionError, match=r"net\.safetensors was made for Stable Diffusion 3; the model is FLUX"
    ):
        at_work(path)(use(), network)
    _, network = loaded("Stable Diffusion 3", tmp_path)
    control = at_work(path)(use(), network)
    with pytest.raises(DiffusionError, match=r"no mask says which.*ControlNetInpaintingAliMamaApply"):
        control.hint(use(), 8, 12, network.latent_format)
    with pytest.raises(DiffusionError, match=r"no VAE makes them.*vae input"):
        control.hint(use(mask=MASK), 8, 12, network.latent_format)


def test_parts_of_several_nets_are_spread_over_the_blocks_and_added():
    parts = [torch.full((1, 2, 3), float(number)) for number in range(3)]
    spread = {sort: [int(Row(parts, sort).at(index, 7)[0, 0, 0]) for index in range(7)] for sort in Spread}
    assert spread == {
        Spread.EVENLY: [0, 0, 0, 1, 1, 2, 2],
        Spread.RUNS: [0, 0, 0, 1, 1, 1, 2],
        Spread.AGAIN: [0, 1, 2, 0, 1, 2, 0],
    }
    both = Residuals(double=(Row(parts),)) + Residuals(double=(Row(parts[1:]),)).scaled(10.0)
    made = both.for_double(6, tokens=4)
    assert made is not None and [float(part[0, 0, 0]) for part in made] == [10, 10, 11, 21, 22, 22]
    assert all(part.shape == (1, 4, 3) and not part[:, 2:].any() for part in made)
