"""Families of transformers in tiny sizes, and how diffusers' own pipelines call each of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.embeddings import get_2d_rotary_pos_embed
from diffusers.pipelines.chroma.pipeline_chroma import ChromaPipeline
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from diffusers.pipelines.flux2.pipeline_flux2 import Flux2Pipeline
from diffusers.pipelines.hunyuandit.pipeline_hunyuandit import get_resize_crop_region_for_grid
from diffusers.pipelines.qwenimage.pipeline_qwenimage import QwenImagePipeline
from torch import Tensor, nn

from nodes.diffusion.denoiser import NetworkInputs, Parametrisation
from nodes.diffusion.models.families import FAMILIES
from nodes.diffusion.models.family import Family
from nodes.diffusion.noise_levels import from_betas, linear_betas, scaled_linear_betas

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Case:
    """A family as tests make it.

    Attributes:
        tiny: settings of its class, small.
        true: settings that its published checkpoints differ in from the class's own; a few layers of the true width.
        called: what its pipeline makes of latents, a sigma, a text and further inputs.
        latents: shape.
        converter: diffusers' own, by name; empty where the layouts are one.
    """

    name: str
    tiny: Mapping[str, Any]
    true: Mapping[str, Any]
    called: Callable[[Any, Tensor, float, Tensor, NetworkInputs], Tensor]
    latents: tuple[int, ...] = (2, 4, 8, 6)
    converter: str = ""
    inputs: NetworkInputs = field(default_factory=NetworkInputs)
    text_width: int = 24
    file: bool = True  # whether a file alone tells it
    sigma: float = 0.6
    predicts: Parametrisation = Parametrisation.FLOW

    @property
    def family(self) -> Family:
        return next(row for row in FAMILIES if row.name == self.name)

    def module(self, settings: Mapping[str, Any]) -> nn.Module:
        return self.family.class_of()(**settings)


def sd3(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    times = torch.full((len(latents),), sigma * 1000)
    return module(latents, text, told.pooled, times, return_dict=False)[0]


def flux(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    batch, channels, height, width = latents.shape
    packed = FluxPipeline._pack_latents(latents, batch, channels, height, width)
    ids = FluxPipeline._prepare_latent_image_ids(batch, height // 2, width // 2, CPU, torch.float32)
    count = packed.shape[1]
    for shown in told.references:  # FluxKontextPipeline
        high, wide = shown.shape[-2:]
        packed = torch.cat((packed, FluxPipeline._pack_latents(shown, batch, channels, high, wide)), 1)
        theirs = FluxPipeline._prepare_latent_image_ids(batch, high // 2, wide // 2, CPU, torch.float32)
        theirs[..., 0] = 1
        ids = torch.cat((ids, theirs))
    made = module(
        packed,
        text,
        told.pooled,
        torch.full((batch,), sigma),
        ids,
        torch.zeros(text.shape[1], 3),
        told.guidance if module.config.guidance_embeds else None,
        return_dict=False,
    )[0]
    return FluxPipeline._unpack_latents(made[:, :count], height * 8, width * 8, 8)


def chroma(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    batch, channels, height, width = latents.shape
    packed = ChromaPipeline._pack_latents(latents, batch, channels, height, width)
    mask = told.token_mask
    assert mask is not None
    made = module(
        packed,
        text,
        torch.full((batch,), sigma),
        ChromaPipeline._prepare_latent_image_ids(batch, height // 2, width // 2, CPU, torch.float32),
        torch.zeros(text.shape[1], 3),
        torch.cat((mask, torch.ones(batch, packed.shape[1])), 1),
        return_dict=False,
    )[0]
    return ChromaPipeline._unpack_latents(made, height * 8, width * 8, 8)


def auraflow(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    assert told.token_mask is not None
    zeroed = text * told.token_mask[..., None]  # as its encode_prompt does
    return module(latents, zeroed, torch.full((len(latents),), sigma), return_dict=False)[0]


def lumina2(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    assert told.token_mask is not None
    times = 1 - torch.full((len(latents),), sigma)
    return -module(latents, times, text, told.token_mask.int(), return_dict=False)[0]


def z_image(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    assert told.token_mask is not None
    times = (1000 - torch.full((len(latents),), sigma * 1000)) / 1000
    texts = [text[row][told.token_mask[row].bool()] for row in range(len(text))]
    made = module(list(latents.unsqueeze(2).unbind(0)), times, texts, return_dict=False)[0]
    return -torch.stack(made).squeeze(2)


def qwen_image(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    batch, channels, _, height, width = latents.shape
    shapes, parts = [], []
    for shown in (latents, *told.references):
        high, wide = shown.shape[-2:]
        shapes.append((1, high // 2, wide // 2))
        parts.append(QwenImagePipeline._pack_latents(shown, batch, channels, high, wide))
    made = module(
        torch.cat(parts, 1),
        text,
        told.token_mask,
        torch.full((batch,), sigma),
        [shapes] * batch,
        return_dict=False,
    )[0]
    return QwenImagePipeline._unpack_latents(made[:, : parts[0].shape[1]], height * 8, width * 8, 8)


def flux2(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    own, ids = Flux2Pipeline._pack_latents(latents), Flux2Pipeline._prepare_latent_ids(latents)
    packed = [own, *(Flux2Pipeline._pack_latents(shown) for shown in told.references)]
    shown = Flux2Pipeline._prepare_image_ids([each[:1] for each in told.references])
    made = module(
        torch.cat(packed, 1),
        text,
        torch.full((len(latents),), sigma),
        torch.cat((ids, shown.expand(len(latents), -1, -1)), 1)[0],
        Flux2Pipeline._prepare_text_ids(text)[0],
        told.guidance,
        return_dict=False,
    )[0]
    return Flux2Pipeline._unpack_latents_with_ids(made[:, : own.shape[1]], ids)


def hidream(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    times, layers = torch.full((len(latents),), sigma * 1000), told.layers
    assert layers is not None
    return -module(latents, times, text, layers.transpose(0, 1), told.pooled, return_dict=False)[0]


def pixart(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    """Sigma is that of its timestep 400."""
    height, width = latents.shape[-2] * 8, latents.shape[-1] * 8
    made = module(
        latents,
        encoder_hidden_states=text,
        encoder_attention_mask=told.token_mask,
        timestep=torch.full((len(latents),), 400),
        added_cond_kwargs={
            "resolution": torch.tensor([[height, width]] * len(latents)).float(),
            "aspect_ratio": torch.tensor([[height / width]] * len(latents)),
        },
        return_dict=False,
    )[0]
    return made.chunk(2, dim=1)[0]


def hunyuan_dit(module: Any, latents: Tensor, sigma: float, text: Tensor, told: NetworkInputs) -> Tensor:
    """Sigma is that of its timestep 400."""
    patch, (height, width) = module.config.patch_size, latents.shape[-2:]
    grid, batch = (height // patch, width // patch), len(latents)
    places = get_2d_rotary_pos_embed(
        module.inner_dim // module.num_heads,
        get_resize_crop_region_for_grid(grid, 512 // 8 // patch),
        grid,
        output_type="pt",
    )
    sizes = [1024.0, 1024.0, height * 8.0, width * 8.0, 0.0, 0.0]
    made = module(
        latents,
        torch.full((batch,), 400.0),
        text,
        told.token_mask,
        told.more_text,
        told.more_mask,
        torch.tensor([sizes] * batch),
        torch.zeros(batch, dtype=torch.int64),
        places,
        return_dict=False,
    )[0]
    return made.chunk(2, dim=1)[0]


def some(*shape: int, seed: int = 7) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


MASK = torch.tensor([[1.0] * 5, [1.0, 1.0, 1.0, 0.0, 0.0]])
MORE_MASK = torch.tensor([[1.0] * 7, [1.0] * 4 + [0.0] * 3])
FLUX_TINY = {
    "axes_dims_rope": (4, 14, 14),
    "num_layers": 2,
    "num_single_layers": 1,
    "attention_head_dim": 32,
    "num_attention_heads": 2,
    "joint_attention_dim": 24,
}
CASES = (
    Case(
        "Stable Diffusion 3",
        {
            "sample_size": 128,
            "in_channels": 4,
            "out_channels": 4,
            "num_layers": 3,
            "attention_head_dim": 64,
            "num_attention_heads": 1,
            "joint_attention_dim": 24,
            "caption_projection_dim": 64,
            "pooled_projection_dim": 20,
            "pos_embed_max_size": 12,
            "dual_attention_layers": (0, 1),
            "qk_norm": "rms_norm",
        },
        {
            "num_layers": 3,
            "num_attention_heads": 24,
            "caption_projection_dim": 1536,
            "dual_attention_layers": (0, 1),
            "qk_norm": "rms_norm",
        },
        sd3,
        converter="convert_sd3_transformer_checkpoint_to_diffusers",
        inputs=NetworkInputs(pooled=some(2, 20)),
    ),
    Case(
        "FLUX.1",
        {
            **FLUX_TINY,
            "in_channels": 16,
            "pooled_projection_dim": 20,
            "guidance_embeds": True,
        },
        {"num_layers": 2, "num_single_layers": 2, "guidance_embeds": True},
        flux,
        converter="convert_flux_transformer_checkpoint_to_diffusers",
        inputs=NetworkInputs(
            pooled=some(2, 20), guidance=torch.tensor([3.5, 3.5]), references=(some(2, 4, 4, 8, seed=8),)
        ),
    ),
    Case(
        "Chroma",
        {
            **FLUX_TINY,
            "in_channels": 16,
            "approximator_num_channels": 64,
            "approximator_hidden_dim": 40,
            "approximator_layers": 2,
        },
        {"num_layers": 2, "num_single_layers": 2},
        chroma,
        converter="convert_chroma_transformer_checkpoint_to_diffusers",
        inputs=NetworkInputs(token_mask=MASK),
    ),
    Case(
        "AuraFlow",
        {
            "num_mmdit_layers": 1,
            "num_single_dit_layers": 1,
            "attention_head_dim": 256,
            "num_attention_heads": 1,
            "joint_attention_dim": 24,
            "caption_projection_dim": 256,
            "pos_embed_max_size": 36,
        },
        {"num_mmdit_layers": 2, "num_single_dit_layers": 2, "pos_embed_max_size": 9216},
        auraflow,
        converter="convert_auraflow_transformer_checkpoint_to_diffusers",
        inputs=NetworkInputs(token_mask=MASK),
    ),
    Case(
        "Lumina-Image 2",
        {
            "in_channels": 4,
            "hidden_size": 96,
            "num_layers": 2,
            "num_refiner_layers": 1,
            "num_attention_heads": 4,
            "num_kv_heads": 2,
            "axes_dim_rope": (8, 8, 8),
            "cap_feat_dim": 24,
        },
        {"num_layers": 2},
        lumina2,
        converter="convert_lumina2_to_diffusers",
        inputs=NetworkInputs(token_mask=MASK),
    ),
    Case(
        "Z-Image",
        {
            "in_channels": 4,
            "dim": 96,
            "n_layers": 2,
            "n_refiner_layers": 1,
            "n_heads": 3,
            "n_kv_heads": 3,
            "axes_dims": [8, 12, 12],
            "cap_feat_dim": 24,
        },
        {"n_layers": 2},
        z_image,
        converter="convert_z_image_transformer_checkpoint_to_diffusers",
        inputs=NetworkInputs(token_mask=MASK),
    ),
    Case(
        "Qwen-Image",
        {
            **{name: value for name, value in FLUX_TINY.items() if name != "num_single_layers"},
            "in_channels": 16,
            "out_channels": 4,
        },
        {"num_layers": 2},
        qwen_image,
        latents=(2, 4, 1, 8, 6),
        inputs=NetworkInputs(token_mask=MASK, references=(some(2, 4, 1, 4, 8, seed=8),)),
    ),
    Case(
        "FLUX.2",
        {**FLUX_TINY, "in_channels": 12, "axes_dims_rope": (8, 8, 8, 8), "mlp_ratio": 3.0},
        {"num_layers": 2, "num_single_layers": 2},
        flux2,
        latents=(2, 12, 4, 6),
        converter="convert_flux2_transformer_checkpoint_to_diffusers",
        inputs=NetworkInputs(
            guidance=torch.tensor([4.0, 4.0]),
            references=(some(2, 12, 2, 4, seed=8), some(2, 12, 4, 2, seed=9)),
        ),
    ),
    Case(
        "HiDream",
        {
            "patch_size": 2,
            "in_channels": 4,
            "num_layers": 1,
            "num_single_layers": 1,
            "num_attention_heads": 1,
            "caption_channels": [24, 12],
            "text_emb_dim": 20,
            "num_routed_experts": 2,
            "axes_dims_rope": (64, 32, 32),
            "max_resolution": (16, 16),
            "llama_layers": [0, 1],
        },
        {
            "patch_size": 2,
            "in_channels": 16,
            "num_layers": 1,
            "num_single_layers": 1,
            "caption_channels": [4096, 4096],
            "axes_dims_rope": (64, 32, 32),
            "llama_layers": [0, 1],
        },
        hidream,
        latents=(2, 4, 6, 6),  # oblong ones are filled up to 4096 tokens by what a file tells of them
        inputs=NetworkInputs(pooled=some(2, 20), layers=some(2, 2, 6, 12, seed=5)),
    ),
    Case(
        "PixArt",
        {
            "in_channels": 4,
            "out_channels": 8,
            "num_layers": 2,
            "num_attention_heads": 2,
            "attention_head_dim": 12,
            "cross_attention_dim": 24,
            "caption_channels": 24,
            "sample_size": 128,
        },
        {"num_layers": 2},
        pixart,
        inputs=NetworkInputs(token_mask=MASK),
        file=False,
        sigma=float(from_betas(linear_betas(1e-4, 0.02)).sigmas[400]),
        predicts=Parametrisation.EPS,
    ),
    Case(
        "Hunyuan-DiT",
        {
            "in_channels": 4,
            "patch_size": 2,
            "num_layers": 4,
            "num_attention_heads": 2,
            "attention_head_dim": 16,
            "hidden_size": 32,
            "cross_attention_dim": 24,
            "cross_attention_dim_t5": 40,
            "pooled_projection_dim": 20,
            "text_len": 5,
            "text_len_t5": 7,
        },
        {
            "in_channels": 4,
            "patch_size": 2,
            "hidden_size": 1408,
            "num_layers": 4,
            "mlp_ratio": 4.3637,
            "use_style_cond_and_image_meta_size": False,
        },
        hunyuan_dit,
        inputs=NetworkInputs(token_mask=MASK, more_text=some(2, 7, 40, seed=5), more_mask=MORE_MASK),
        sigma=float(from_betas(scaled_linear_betas(0.00085, 0.03)).sigmas[400]),
        predicts=Parametrisation.V,
    ),
)
