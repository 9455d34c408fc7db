"""Inpainting: a denoiser that changes only what a mask frees, all along the run or from a share of it that the mask says."""

from dataclasses import dataclass, replace

from nodes.diffusion.denoiser import TwoSidedDenoiser
from nodes.diffusion.mixing import Mixing
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.resize import resize
from nodes.diffusion.values import Latents, Sigma, Sigmas


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """A soft mask as the share of the run from which each place is free: what is white is free at once, grey later.

    Source: Levin and Fried 2023 (arXiv:2306.00950), algorithm 1.

    Attributes:
        sigmas: of the run.
        strength: 1 takes the mask as a share of the run, less mixes that with the mask as it is; 0 counts as 1.
    """

    levels: NoiseLevels
    sigmas: Sigmas
    strength: float

    def at(self, mask: Latents, sigma: Sigma) -> Latents:
        """What of a mask is free at a noise level."""
        last = self.sigmas[-1].clamp(min=self.levels.minimum)
        now, first, end = (
            float(self.levels.timestep(level.reshape(1))) for level in (sigma, self.sigmas[0], last)
        )
        free = (mask >= (now - end) / (first - end or 1.0)).to(mask)
        return free if self.strength in (0.0, 1.0) else self.strength * free + (1.0 - self.strength) * mask


@dataclass(frozen=True, slots=True, eq=False)
class Inpainting:
    """A denoiser that changes only what the mask frees: what is kept is put back, noisy before and clean after.

    Source: Lugmayr et al. 2022 (arXiv:2201.09865), eq. 8, without resampling.

    Attributes:
        kept: clean latents at the model's scale; noise: what lies in them before.
        mask: 1 is free, 0 is kept; of the latents' shape.
        opening: how the mask goes over the run; None: it stays.
    """

    denoiser: TwoSidedDenoiser
    mixing: Mixing
    kept: Latents
    noise: Latents
    mask: Latents
    opening: Opening | None = None

    def __call__(self, latents: Latents, sigma: Sigma) -> Latents:
        here = self._sized(latents)
        mask = here.freed(sigma)
        return here.after(self.denoiser(here.before(latents, sigma, mask), sigma), mask)

    def both(self, latents: Latents, sigma: Sigma) -> tuple[Latents, Latents]:
        """The guided estimate with what is kept put back, and the negative side's as it is."""
        here = self._sized(latents)
        mask = here.freed(sigma)
        guided, negative = self.denoiser.both(here.before(latents, sigma, mask), sigma)
        return here.after(guided, mask), negative

    def _sized(self, latents: Latents) -> "Inpainting":
        """The same at the size of latents that a sampler scaled up; noise keeps its variance."""
        if latents.shape[-2:] == self.kept.shape[-2:]:
            return self
        height, width = latents.shape[-2:]
        kept = resize(self.kept, width, height, "bilinear", "disabled")
        noise = resize(self.noise, width, height, "nearest-exact", "disabled")
        mask = resize(self.mask, width, height, "bilinear", "disabled")
        return replace(self, kept=kept, noise=noise, mask=mask)

    def freed(self, sigma: Sigma) -> Latents:
        """The mask at a noise level."""
        return self.mask if self.opening is None else self.opening.at(self.mask, sigma)

    def before(self, latents: Latents, sigma: Sigma, mask: Latents) -> Latents:
        """What the denoiser is asked: what is kept, noisy, put back."""
        return latents * mask + self.mixing.noised(self.kept, self.noise, sigma) * (1.0 - mask)

    def after(self, denoised: Latents, mask: Latents) -> Latents:
        """What it said, with what is kept put back."""
        return denoised * mask + self.kept * (1.0 - mask)
