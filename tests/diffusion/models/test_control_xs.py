"""ControlNet-XS beside a U-Net as diffusers' fused network works, for each family of U-Nets."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetXSAdapter, UNet2DConditionModel, UNetControlNetXSModel
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion.denoiser import ControlNetwork
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.controls import Company, load_control_file
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.values import CheckpointRef, Cond, ControlNet, ControlUse
from tests.diffusion.models import tiny

CHANCE = torch.Generator().manual_seed(9)
LATENTS = torch.randn(2, 4, 16, 16, generator=CHANCE)
HINT = torch.rand(2, 128, 128, 3, generator=CHANCE)
CONTEXT, POOLED, STRENGTH = 32, 24, 0.8
FAMILIES: dict[str, dict[str, Any]] = {
    "Stable Diffusion 1": {
        "block_out_channels": (32, 64, 64, 64),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "attention_head_dim": 8,
    },
    "Stable Diffusion 2": {
        "block_out_channels": (64, 64, 128, 128),
        "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        "attention_head_dim": (1, 1, 2, 2),
        "use_linear_projection": True,
    },
    "Stable Diffusion XL": {
        "block_out_channels": (32, 64, 64),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "attention_head_dim": (1, 1, 1),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": POOLED + 6 * 256,
        "transformer_layers_per_block": (1, 1, 2),
    },
}


def adapter(unet: UNet2DConditionModel, *, learns: bool) -> ControlNetXSAdapter:
    """As wide as the U-Net: of other widths diffusers fused class takes other groups of norms than the adapter."""
    mix = 0.95 if learns else 1.0
    made = ControlNetXSAdapter.from_unet(
        unet, size_ratio=1.0, learn_time_embedding=learns, time_embedding_mix=mix, num_attention_heads=2
    )
    return tiny.seeded(made, 4)


def saved(module: Any, folder: Path) -> Path:
    """A file with its settings beside it, as they are published."""
    folder.mkdir(parents=True, exist_ok=True)
    module.save_config(folder)
    save_file(
        {name: part.contiguous() for name, part in module.state_dict().items()}, folder / "net.safetensors"
    )
    return folder / "net.safetensors"


def guided(network: LoadedNetwork, path: Path, placement: Placement, text: Cond) -> Guided:
    file = load_control_file(path, placement)

    def find(use: ControlUse, steered: Any) -> ControlNetwork:
        return file.beside(Company(use.net, steered))

    use = ControlUse(ControlNet(CheckpointRef(path, "abc")), HINT, STRENGTH)
    steered = Cond(text.context, text.pooled, controls=(use,), extra={"height": 64, "width": 64})
    return Guided(network, (steered,), (), 1.0, find)


@torch.no_grad()
@pytest.mark.parametrize(
    ("family", "learns"),
    [("Stable Diffusion 1", False), ("Stable Diffusion 2", False), ("Stable Diffusion XL", True)],
)
def test_it_works_along_as_diffusers_fused_network_does(
    tmp_path: Path, placement: Placement, family: str, *, learns: bool
):
    unet = tiny.seeded(
        UNet2DConditionModel(cross_attention_dim=CONTEXT, layers_per_block=2, **FAMILIES[family])
    )
    save_file(unet.state_dict(), tmp_path / "unet.safetensors")
    network = load_network(tmp_path / "unet.safetensors", placement)
    assert network.family.name == family
    net = adapter(unet, learns=learns)
    path = saved(net, tmp_path / "xs")
    xl = family.endswith("XL")
    pooled = torch.randn(1, POOLED, generator=CHANCE) if xl else None
    text = Cond(torch.randn(1, 5, CONTEXT, generator=CHANCE), pooled)
    sigma = network.levels.sigmas[500]
    made = guided(network, path, placement, text)(LATENTS, sigma)

    told = None
    if pooled is not None:
        numbers = torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]] * 2)
        told = {"text_embeds": pooled.expand(2, -1), "time_ids": numbers}
    scaled, time = LATENTS / (sigma**2 + 1.0) ** 0.5, network.levels.timestep(sigma.reshape(1))
    fused: Any = UNetControlNetXSModel.from_unet(unet, net)
    noise: Tensor = fused(
        scaled,
        time,
        text.context.expand(2, -1, -1),
        HINT.movedim(-1, 1),
        conditioning_scale=STRENGTH,
        added_cond_kwargs=told,
        return_dict=False,
    )[0]
    wanted = LATENTS - noise * sigma
    assert float((made - wanted).abs().max() / wanted.abs().max()) < 1e-4
    plain = Guided(network, (Cond(text.context, text.pooled),), (), 1.0)(LATENTS, sigma)
    assert float((made - plain).abs().max()) > 0.01
    (path.parent / "config.json").unlink()
    with pytest.raises(DiffusionError, match="ControlNet-XS"):
        load_control_file(path, placement)
