"""Latents step by step as diffusers' pipelines of flow models make them: the same weights, noise, texts and sigmas.

Prompts come encoded; how text is read is proved by itself (`models/test_text_families.py`).
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    StableDiffusion3PAGPipeline,
    StableDiffusion3Pipeline,
)
from torch import Tensor

from nodes.diffusion.changes import Layers
from nodes.diffusion.guidance import Guided, again
from nodes.diffusion.models.load import load_network
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.noise import start_noise
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.values import Cond, Latent, Rule
from tests.diffusion.models.test_transformers import PLACEMENT, tiny_network, written
from tests.diffusion.models.transformers import CASES, Case, some

STEPS, SEED, SCALE, GUIDANCE = 5, 7, 4.0, 3.0
SHAPE = (2, 16, 8, 12)
TOLERANCE = 1e-4  # of the largest number


class Kept(list[Tensor]):
    """Latents after each step, as a pipeline hands them to its callback."""

    def __call__(
        self, _pipeline: Any, _index: int, _time: Any, state: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        self.append(state["latents"].clone())
        return state


def loaded(
    name: str, folder: Path, dtype: torch.dtype = torch.float32, **settings: Any
) -> tuple[torch.nn.Module, LoadedNetwork]:
    """A tiny model with the true number of latent channels, as both load it."""
    case = next(case for case in CASES if case.name == name)
    case = Case(case.name, {**case.tiny, **settings}, case.true, case.called)
    module = tiny_network(case)
    file = written(case, module, folder / "model.safetensors")
    return module.to(dtype), load_network(file, replace(PLACEMENT, dtype=dtype))


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=16,
        norm_num_groups=2,
    )


def compared(guided: Guided, sigmas: Tensor, wanted: list[Tensor]) -> None:
    """A flow's latents are handed out cleared of their share of noise; the pipeline's are as the network gets them."""
    form = guided.network.latent_format
    run = Run("euler", sigmas, SEED)
    made = [step.latents for step in sample(guided, Latent(torch.zeros(SHAPE)), run)]
    assert len(made) == len(wanted) == STEPS
    for index, (ours, theirs) in enumerate(zip(made, wanted, strict=True)):
        left = 1 - float(sigmas[index + 1])
        distance = float((form.to_model(ours) * left - theirs).abs().max() / theirs.abs().max())
        assert distance < TOLERANCE, f"step {index}: {distance:.1e}"
    assert all(float((one - other).abs().max()) > 1e-3 for one, other in pairwise(wanted))


LAYER = Layers((1,))
RULES: dict[str, tuple[Rule, ...]] = {
    "plain": (),
    "skipped": (again.SkippedLayers(LAYER, 2.8, 0.0, 1.0),),
    "perturbed": (again.PerturbedLayers(LAYER, 1.5),),
}


@pytest.mark.parametrize("rules", RULES)
def test_stable_diffusion_3_steps_as_its_pipeline(tmp_path: Path, rules: str):
    sizes: dict[str, Any] = {"in_channels": 16, "out_channels": 16}
    dtype = torch.float32
    if rules == "perturbed":
        # its processor knows neither norms nor second attentions; without norms random weights make so much of rounding
        # (7e-6 of a single call in single precision, 4e-14 in double) that the two are compared in double precision
        sizes |= {"qk_norm": None, "dual_attention_layers": ()}
        dtype = torch.float64
    module, network = loaded("Stable Diffusion 3", tmp_path, dtype, **sizes)
    texts, pooled = (some(1, 9, 24, seed=1), some(1, 9, 24, seed=2)), (some(1, 20), some(1, 20, seed=4))
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    nothing: Any = None
    told: dict[str, Any] = {}
    if rules == "perturbed":
        pipeline = StableDiffusion3PAGPipeline(
            module, scheduler, vae(), *[nothing] * 6, pag_applied_layers=["blocks.1.attn$"]
        )
        told = {"pag_scale": 1.5, "pag_adaptive_scale": 0.0}
    else:
        pipeline = StableDiffusion3Pipeline(module, scheduler, vae(), *[nothing] * 6)
    if rules == "skipped":
        told = {"skip_guidance_layers": [1], "skip_layer_guidance_scale": 2.8}
        told |= {"skip_layer_guidance_start": -0.1, "skip_layer_guidance_stop": 1.1}  # in every step
    pipeline.set_progress_bar_config(disable=True)
    kept = Kept()
    pipeline(
        prompt_embeds=texts[0].expand(2, -1, -1).to(dtype),
        negative_prompt_embeds=texts[1].expand(2, -1, -1).to(dtype),
        pooled_prompt_embeds=pooled[0].expand(2, -1).to(dtype),
        negative_pooled_prompt_embeds=pooled[1].expand(2, -1).to(dtype),
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        height=SHAPE[2] * 8,
        width=SHAPE[3] * 8,
        latents=start_noise(SHAPE, SEED).to(dtype),
        output_type="latent",
        callback_on_step_end=kept,
        **told,
    )
    positive, negative = (Cond(text, said) for text, said in zip(texts, pooled, strict=True))
    guided = Guided(network, (positive,), (negative,), SCALE, rules=RULES[rules])
    compared(guided, scheduler.sigmas, kept)


@pytest.mark.parametrize("guided", [True, False], ids=["dev", "schnell"])
def test_flux_steps_as_its_pipeline(tmp_path: Path, *, guided: bool):
    module, network = loaded("FLUX.1", tmp_path, in_channels=64, guidance_embeds=guided)
    text, pooled = some(1, 9, 24, seed=1), some(1, 20)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=guided)
    nothing: Any = None
    pipeline = FluxPipeline(scheduler, vae(), *[nothing] * 4, module)
    pipeline.set_progress_bar_config(disable=True)
    kept, (batch, channels, height, width) = Kept(), SHAPE
    noise = start_noise(SHAPE, SEED)
    pipeline(
        prompt_embeds=text.expand(2, -1, -1),
        pooled_prompt_embeds=pooled.expand(2, -1),
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        height=height * 8,
        width=width * 8,
        latents=FluxPipeline._pack_latents(noise, batch, channels, height, width),
        output_type="latent",
        callback_on_step_end=kept,
    )
    wanted = [FluxPipeline._unpack_latents(each, height * 8, width * 8, 8) for each in kept]
    cond = Cond(text, pooled, extra={"guidance": GUIDANCE})
    compared(Guided(network, (cond,), (cond,), 1.0), scheduler.sigmas, wanted)
