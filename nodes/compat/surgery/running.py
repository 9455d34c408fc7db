"""Runs in the field's form: models, samplers and guiders of packs go through `comfy.samplers`, whoever's node runs them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nodes.compat.surgery.over import guider_over, host, of_choice
from nodes.compat.surgery.patcher import ModelPatcher, again
from nodes.compat.surgery.rows import SEEDS
from nodes.compat.surgery.rules import PackRule, listed
from nodes.diffusion.guidance import Guided
from nodes.diffusion.resize import mask_for
from nodes.diffusion.sampling.fitting import fitted
from nodes.diffusion.sampling.inpainting import Opening
from nodes.diffusion.sampling.loop import Run
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.values import Latent


def run_in_host(guided: Any, latent: Latent, run: Run) -> Step | None:
    """A run by the field's order of things: wrappers, callbacks and options of packs are all heard."""
    if len(run.sigmas) == 0:
        return None
    guider = guided.guider if isinstance(guided, PackGuided) else _guider_of(guided)
    patcher = guider.model_patcher
    network = guided.network
    clean = fitted(latent, network.latent_format).to(torch.float32)
    noise = run.source.drawn(clean.shape, latent.batch_index, network.device).to(torch.float32)
    mask = None if latent.noise_mask is None else mask_for(latent.noise_mask, clean.shape)
    if mask is not None and run.differential is not None:
        opening = Opening(network.levels, run.sigmas.cpu(), run.differential)
        patcher.set_model_denoise_mask_function(lambda sigma, mask, **_more: opening.at(mask, sigma[0].cpu()))
    seeds = run.source.seeds(len(clean), latent.batch_index)
    guider.extra_args = {} if isinstance(seeds, int) else {SEEDS: seeds}
    heard = _Heard(run.tell, network.latent_format, len(run.sigmas) - 1)
    seed = seeds if isinstance(seeds, int) else seeds[0]
    try:
        made = guider.sample(
            noise,
            clean,
            sampler_of(run),
            run.sigmas.cpu(),
            denoise_mask=mask,
            callback=heard,
            disable_pbar=True,
            seed=seed,
        )
    finally:
        patcher.model.bind(None)
    return Step(len(run.sigmas) - 2, made, made if heard.denoised is None else heard.denoised)


def sampler_of(run: Run) -> Any:
    """A run's sampler as packs hold it."""
    choice = run.choice
    return choice.own.sampler if isinstance(choice.own, PackSampling) else of_choice(choice)


@dataclass(slots=True, eq=False)
class _Heard:
    """A sampler's callback: tells how far a run is, one step late, as the last one is its result."""

    tell: Callable[[Step], None] | None
    form: Any
    total: int
    denoised: Any = None

    def __call__(self, step: int, denoised: Tensor, latents: Tensor, total: int) -> None:
        del total
        self.denoised = self.form.from_model(denoised)
        if self.tell is not None and step + 1 < self.total:
            self.tell(Step(step, self.form.from_model(latents), self.denoised))


def _guider_of(guided: Any) -> Any:
    """A guider of ours as packs hold it."""
    rule = next((each for each in guided.rules if isinstance(each, PackRule)), None)
    own = tuple(each for each in guided.rules if not isinstance(each, PackRule))
    patcher = again(rule.changed.origin) if rule is not None else ModelPatcher(None)
    if patcher.recipe is not None:
        patcher.recipe = replace(patcher.recipe, rules=own)
    patcher.model.bind(guided.network, guided.controls)
    if not isinstance(guided, Guided):
        return guider_over(patcher, lambda: guided)
    guider = host().CFGGuider(patcher)
    guider.original_conds = {"positive": listed(guided.positive), "negative": listed(guided.negative)}
    guider.set_cfg(guided.scale)
    return guider


@dataclass(frozen=True, slots=True, eq=False)
class PackSampling:
    """A sampler of a pack's making, as a choice of ours holds it."""

    sampler: Any

    def run(self, guided: Any, latent: Latent, run: Run) -> Step | None:
        """As `RunsItself`."""
        return run_in_host(guided, latent, run)


@dataclass(slots=True, eq=False)
class PackGuided:
    """A guider of a pack's making at work, as our samplers see it; a run of it goes through the field's form."""

    guider: Any
    network: Any

    @property
    def unread(self) -> Sequence[str]:
        """As `Guider`: nobody knows what it reads."""
        return ()

    def start(self, seed: int, shape: Sequence[int], latents: Any = None, mask: Any = None) -> None:
        """As `Guider`."""

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        """As `Denoiser`."""
        return self.guider(latents, sigma.to(latents).reshape(1).expand(len(latents)))

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """As `TwoSidedDenoiser`; the negative side's is not known apart."""
        guided = self(latents, sigma)
        return guided, guided

    def run(self, guided: Any, latent: Latent, run: Run) -> Step | None:
        """As `RunsItself`."""
        return run_in_host(guided, latent, run)


@dataclass(frozen=True, slots=True, eq=False)
class PackGuidance:
    """A guider of a pack's making on a wire."""

    made: Any
    model: Any

    def guider(self, network: Any, controls: Any) -> PackGuided:
        """As `MakesGuider`."""
        self.made.model_patcher.model.bind(network, controls)
        return PackGuided(self.made, network)


@dataclass(frozen=True, slots=True, eq=False)
class PackNoise:
    """Noise of a pack's making: an object with a seed and `generate_noise`."""

    made: Any

    @property
    def seed(self) -> int:
        """As `StartNoise`."""
        return int(getattr(self.made, "seed", 0))

    def drawn(
        self, shape: Sequence[int], batch_index: Sequence[int] | None, device: torch.device, /
    ) -> Tensor:
        """As `StartNoise`."""
        latent: dict[str, Any] = {"samples": torch.zeros(tuple(shape))}
        if batch_index is not None:
            latent["batch_index"] = list(batch_index)
        return self.made.generate_noise(latent).to(device)

    def seeds(self, count: int, batch_index: Sequence[int] | None, /) -> int:
        """As `StartNoise`."""
        del count, batch_index
        return self.seed
