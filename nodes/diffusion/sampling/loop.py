"""The door to sampling: latents, a steered network and a plan in; steps out.

run = Run(sampler="dpmpp_2m", sigmas=sigmas, seed=7)
for step in sample(guided, latent, run):
show(step.index, step.denoised)
result = step.latents
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from nodes.diffusion.denoiser import Network, TwoSidedDenoiser
from nodes.diffusion.guidance import Guider
from nodes.diffusion.noise import CPU, SeededNoise, StartNoise, start_noise
from nodes.diffusion.resize import mask_for
from nodes.diffusion.sampling.checks import Watch, check_sigmas
from nodes.diffusion.sampling.choice import SamplerChoice
from nodes.diffusion.sampling.fitting import fitted
from nodes.diffusion.sampling.inpainting import Inpainting, Opening
from nodes.diffusion.sampling.sampler import Sampler, SamplerSetting
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.sampling.table import MORE_SAMPLERS, SAMPLERS
from nodes.diffusion.values import Latent, Latents, Sigmas

LEAST_SIGMAS = 2


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """What to do: which sampler down which sigmas, from which seed.

    Attributes:
        sampler: a name of `SAMPLERS`, or one with options.
        sigmas: Float[levels], falling; see `sample` for fewer than 2.
        seed: 0 to 2**64 - 1.
        noise: where noise comes from instead; `NoNoise` for latents that are noisy already.
        differential: see `ModelSettings`; counts where the latent has a noise mask.
        tell: hears of steps before the last one of a run that is not made step by step.
    """

    sampler: str | SamplerChoice
    sigmas: Sigmas
    seed: int
    noise: StartNoise | None = None
    differential: float | None = None
    tell: Callable[[Step], None] | None = None

    @property
    def source(self) -> StartNoise:
        """Where noise comes from."""
        return SeededNoise(self.seed) if self.noise is None else self.noise

    @property
    def choice(self) -> SamplerChoice:
        """The sampler with its options."""
        return SamplerChoice(self.sampler) if isinstance(self.sampler, str) else self.sampler


@runtime_checkable
class RunsItself(Protocol):
    """A guider, a sampler or a rule of a model that makes whole runs by itself."""

    def run(self, guided: Guider, latent: Latent, run: Run) -> Step | None:
        """The last step of the run, as `sample` yields it; None where there are no sigmas. Others go to `run.tell`."""
        ...


def window(sigmas: Sigmas, start: int, end: int, *, leftover_noise: bool) -> Float[Tensor, " kept"]:
    """The part of a schedule between two steps.

    Args:
        start, end: steps, from 0; beyond the schedule is its end.
        leftover_noise: stop at the noise level of `end`; otherwise go to 0 in the last step.
    """
    part = sigmas
    if end < len(sigmas) - 1:
        part = sigmas[: end + 1].clone()
        if not leftover_noise:
            part[-1] = 0.0
    return part[start:] if start < len(part) - 1 else part[:0]


def sample(guided: Guider, latent: Latent, run: Run) -> Iterator[Step]:
    """Walk latents down a schedule.

    Args:
        latent: as the VAE gives it; a batch. Its noise mask keeps what is 0 there.

    Yields:
        steps whose latents and denoised are at the VAE's scale, float32, on the network's device, where they may still
        be computed: who asks for their values waits. The last one's latents are the result. For one sigma alone a step
        of index -1: the latents with its noise. Without sigmas nothing.

    Raises:
        KeyError: no sampler of that name.
        DiffusionError: the sampler has no such option, the sigmas or the latents do not fit, or a step gave no numbers.
    """
    rules: Sequence[object] = getattr(guided, "rules", ())
    own = next((each for each in (guided, run.choice.own, *rules) if isinstance(each, RunsItself)), None)
    if own is not None:
        step = own.run(guided, latent, run)
        if step is not None:
            yield step
        return
    network = guided.network
    form, levels, mixing = network.latent_format, network.levels, network.parametrisation.mixing
    choice, source = run.choice, run.source
    sampler = named(choice.name)
    if len(run.sigmas) == 0:
        return
    check_sigmas(run.sigmas, sampler, choice, mixing)
    clean = fitted(latent, form).to(torch.float32)
    noise = source.drawn(clean.shape, latent.batch_index, network.device).to(network.device)
    clean = clean.to(network.device)
    sigmas = run.sigmas.cpu()  # lone numbers mix with any device, and asking for their value waits for none
    scaled = form.to_model(clean) if bool(clean.any()) else clean
    latents = mixing.noised(scaled, noise, sigmas[0], from_the_top=_at_the_top(float(sigmas[0]), network))
    if len(sigmas) < LEAST_SIGMAS:
        started = form.from_model(mixing.finished(latents, sigmas[0]))
        yield Step(-1, started, started)
        return
    seeds = source.seeds(len(clean), latent.batch_index)
    mask = None if latent.noise_mask is None else mask_for(latent.noise_mask, clean.shape).to(clean)
    guided.start(seeds if isinstance(seeds, int) else seeds[0], clean.shape, scaled, mask)
    denoiser: TwoSidedDenoiser = guided
    if mask is not None:
        kept_noise = _again(source, latent, clean) if sampler.redraws_start else noise
        opening = None if run.differential is None else Opening(levels, sigmas, run.differential)
        denoiser = Inpainting(guided, mixing, scaled, kept_noise, mask, opening)
    setting = SamplerSetting(seeds, mixing, levels)
    visited = sampler.visited(sigmas, setting)
    watch = Watch(choice.name, sigmas)
    levels_after = visited.unbind()[1:]
    for step in sampler.steps(denoiser, latents, sigmas, setting, dict(choice.options)):
        reached = mixing.finished(step.latents, levels_after[step.index])
        made = Step(step.index, form.from_model(reached), form.from_model(step.denoised))
        watch.look(made)
        yield made
    watch.finish()


def noisy(network: Network, latent: Latent, source: StartNoise, sigmas: Sigmas) -> Tensor:
    """Latents with the noise that lies between the first and the last sigma, or of the only one; at the VAE's scale."""
    form = network.latent_format
    clean = fitted(latent, form).to(torch.float32)
    level = (sigmas[0] - sigmas[-1]).abs() if len(sigmas) > 1 else sigmas[0]
    noise = source.drawn(clean.shape, latent.batch_index, network.device).to(clean)
    scaled = form.to_model(clean) if bool(clean.any()) else clean
    made = network.parametrisation.mixing.noised(scaled, noise, level.cpu())
    return form.from_model(made).nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)


def named(name: str) -> Sampler:
    """The sampler of a name, whether menus list it or not.

    Raises:
        KeyError: there is none.
    """
    return SAMPLERS[name] if name in SAMPLERS else MORE_SAMPLERS[name]


def _at_the_top(sigma: float, network: Network) -> bool:
    highest = network.levels.maximum
    reached = math.isclose(highest, sigma, rel_tol=1e-5) or sigma > highest
    return reached and network.parametrisation.starts_as_trained


def _again(source: StartNoise, latent: Latent, clean: Latents) -> Latents:
    """Other noise of the same kind, of the next seed; a whole batch's does not mind which items of a larger one it has."""
    if isinstance(source, SeededNoise) and source.per_image:
        return (
            SeededNoise(source.seed + 1, per_image=True).drawn(clean.shape, latent.batch_index, CPU).to(clean)
        )
    return start_noise(clean.shape, source.seed + 1).to(clean)
