"""A sampler as a row of the table: its function, what it asks of the run, and where its noise comes from."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nodes.diffusion.brownian import brownian_noise
from nodes.diffusion.denoiser import TwoSidedDenoiser
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise import NoiseSource, Seeds, continued_noise, for_each_item, step_noise
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.sampling.choice import Option
from nodes.diffusion.sampling.sa_solver import Noisy
from nodes.diffusion.sampling.steps import Step
from nodes.diffusion.values import Latents, Sigmas

NEARLY_START = 1e-4  # share of a run


class Noise(Enum):
    """Where a sampler's fresh noise comes from."""

    NONE = auto()
    PER_STEP = auto()
    CONTINUED = auto()  # from where the start noise came from
    BROWNIAN = auto()  # the same path whatever the device
    BROWNIAN_ON_DEVICE = auto()


@dataclass(frozen=True, slots=True)
class SamplerSetting:
    """What a sampler may ask of the run.

    Attributes:
        seeds: of the noise it adds. mixing: how noise lies in the latents. levels: of the network.
    """

    seeds: Seeds
    mixing: Mixing
    levels: NoiseLevels


@dataclass(frozen=True, slots=True)
class Sampler:
    """One row.

    Attributes:
        order: of convergence, for samplers without noise; 0 where steps of lower order at the start or end hide it.
        mixed: asks how noise lies in the latents.
        clocked: needs the first sigma's clock to be finite; where noise is traded, it starts a hair lower.
        last_sigma: what it visits in place of 0.
        noisy_part: the shares of the run between which noise is renewed, for samplers that ask.
        noisy_if: the option that must be above 0 for it to draw noise; empty: it always does.
        redraws_start: inpainting holds the kept part to noise of its own, not to the run's start noise.
        goes_up: it can follow a schedule that rises.
        reads: what makes of a plain option what the function takes.
    """

    function: Callable[..., Iterator[Step]]
    noise: Noise = Noise.NONE
    order: int = 0
    mixed: bool = False
    clocked: bool = False
    redraws_start: bool = False
    last_sigma: float = 0.0
    noisy_part: tuple[float, float] | None = None
    noisy_if: str = ""
    goes_up: bool = True
    reads: Mapping[str, Callable[[Any], object]] = field(default_factory=dict[str, Callable[[Any], object]])

    @property
    def options(self) -> tuple[str, ...]:
        """Names of what can be set on it."""
        parameters = inspect.signature(self.function).parameters.values()
        own = tuple(entry.name for entry in parameters if entry.kind is inspect.Parameter.KEYWORD_ONLY)
        return own if self.noisy_part is None else (*own, "noisy")

    def climbs(self, options: Mapping[str, Option]) -> bool:
        """Whether it can go up, from a picture back to noise: not if it adds noise or chooses its own steps."""
        return self.goes_up and not self._draws(options)

    def steps(
        self,
        denoiser: TwoSidedDenoiser,
        latents: Latents,
        sigmas: Sigmas,
        setting: SamplerSetting,
        options: Mapping[str, Option] | None = None,
    ) -> Iterator[Step]:
        """Walk the latents down the sigmas.

        Raises:
            DiffusionError: it has no option of a name.
        """
        given = self._read(options or {})
        if self.noisy_part is not None and "noisy" not in given:
            first, last = (setting.levels.at_percent(share) for share in self.noisy_part)
            given["noisy"] = Noisy(first, last)
        if self.mixed:
            given["mixing"] = setting.mixing
        if self._draws(given):
            given["noise"] = self._source(latents, sigmas, setting.seeds)
        return partial(self.function, **given)(denoiser, latents, self.visited(sigmas, setting))

    def visited(self, sigmas: Sigmas, setting: SamplerSetting) -> Sigmas:
        """The sigmas that the sampler really goes through: it may avoid a first or last one whose clock is infinite."""
        changed = sigmas.clone()
        if self.clocked and setting.mixing is Mixing.TRADED and sigmas[0] >= 1:
            changed[0] = setting.levels.at_percent(NEARLY_START)
        if sigmas[-1] == 0:
            changed[-1] = self.last_sigma
        return changed

    def _draws(self, options: Mapping[str, object]) -> bool:
        return self.noise is not Noise.NONE and (not self.noisy_if or bool(options.get(self.noisy_if)))

    def _read(self, options: Mapping[str, Option]) -> dict[str, object]:
        unknown = set(options) - set(self.options)
        if unknown:
            raise DiffusionError(
                f"This sampler has no option {', '.join(sorted(unknown))}.",
                f"It has: {', '.join(self.options) or 'none'}.",
            )
        return {
            name: self.reads[name](value) if name in self.reads else value for name, value in options.items()
        }

    def _source(self, latents: Latents, sigmas: Sigmas, seeds: Seeds) -> NoiseSource:
        def make(like: Tensor, seed: int) -> NoiseSource:
            match self.noise:
                case Noise.BROWNIAN:
                    return brownian_noise(like, sigmas, seed, torch.device("cpu"))
                case Noise.BROWNIAN_ON_DEVICE:
                    return brownian_noise(like, sigmas, seed)
                case Noise.CONTINUED:
                    return continued_noise(like, seed)
                case Noise.PER_STEP | Noise.NONE:
                    return step_noise(like, seed)

        return make(latents, seeds) if isinstance(seeds, int) else for_each_item(make, latents, seeds)
