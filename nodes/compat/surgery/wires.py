"""Guiders, samplers and noise on wires: ours as objects of the field's classes, packs' as recipes of ours."""

import sys
from typing import Any

import torch

from nodes.compat.conditioning import cond_pair
from nodes.compat.surgery.over import guider_over, of_choice
from nodes.compat.surgery.patcher import ModelPatcher
from nodes.compat.surgery.running import PackGuidance, PackNoise, PackSampling
from nodes.diffusion.guidance import BasicGuidance, CfgGuidance, DualGuidance, PerpNegGuidance
from nodes.diffusion.guidance import guider as working
from nodes.diffusion.noise import NoNoise, SeededNoise
from nodes.diffusion.sampling import SamplerChoice

OURS = (BasicGuidance, CfgGuidance, DualGuidance, PerpNegGuidance)


class Noise:
    """Noise of ours as packs hold it."""

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    @property
    def seed(self) -> int:
        """That of the run."""
        return self.recipe.seed

    def generate_noise(self, input_latent: Any) -> torch.Tensor:
        """The start noise for latents, on the processor."""
        samples = input_latent["samples"]
        made = self.recipe.drawn(samples.shape, input_latent.get("batch_index"), torch.device("cpu"))
        return made.to(samples.dtype)


def outward(value: Any) -> Any:
    """As packs hold it; None: it is none of these."""
    host = sys.modules.get("comfy.samplers")
    if isinstance(value, PackGuidance | PackNoise):
        return value.made
    if host is None:
        return None
    if isinstance(value, SamplerChoice):
        return value.own.sampler if isinstance(value.own, PackSampling) else of_choice(value)
    if isinstance(value, SeededNoise | NoNoise):
        return Noise(value)
    return _guider(host, value) if isinstance(value, OURS) else None


def _guider(host: Any, recipe: Any) -> Any:
    patcher = ModelPatcher.of(recipe.model)
    if isinstance(recipe, BasicGuidance | CfgGuidance):
        made = host.CFGGuider(patcher)
        sides = {"positive": recipe.positive, "negative": getattr(recipe, "negative", ())}
        made.inner_set_conds({name: [cond_pair(cond) for cond in side] for name, side in sides.items()})
        made.set_cfg(getattr(recipe, "scale", 1.0))
    else:
        made = guider_over(patcher, lambda: working(recipe, *patcher.model.parts()))
    made.weft_recipe = recipe, _state(made)
    return made


def _state(guider: Any) -> Any:
    return (
        guider.cfg,
        id(guider.model_patcher),
        {name: id(side) for name, side in guider.original_conds.items()},
    )


def inward(value: Any) -> Any:
    """As the rest of Weft holds it; None: it is none of these."""
    if isinstance(value, Noise):
        return value.recipe
    host = sys.modules.get("comfy.samplers")
    if host is None or isinstance(value, type):
        return None
    if hasattr(value, "model_patcher") and hasattr(value, "sample"):
        recipe, state = getattr(value, "weft_recipe", (None, None))
        if recipe is not None and state == _state(value):
            return recipe
        return PackGuidance(value, value.model_patcher.inside())
    if hasattr(value, "generate_noise"):
        return PackNoise(value)
    if isinstance(value, host.Sampler):
        choice, options = getattr(value, "weft_choice", (None, None))
        if choice is not None and options == value.extra_options:
            return choice
        return SamplerChoice("a pack's sampler", own=PackSampling(value))
    return None
