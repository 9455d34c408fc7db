"""The forward process in closed form, and the way between all that may be predicted of it.

All processes here are Gaussian: x_t = alpha_t x_0 + sigma_t n, with n of unit variance. They differ in how alpha and sigma
go over time, which a `Level` holds for one time:

    variance preserving   alpha^2 + sigma^2 = 1       Ho et al. 2020 (arXiv:2006.11239), eq. 4
    variance exploding    alpha = 1                   Song et al. 2021 (arXiv:2011.13456), eq. 30; Karras et al. 2022
    rectified flow        alpha + sigma = 1           Liu et al. 2022 (arXiv:2209.03003), eq. 1

Dividing x_t by alpha_t turns each into the exploding one at sigma_t / alpha_t: why samplers need only one (or two) of them.
"""

from dataclasses import dataclass
from enum import Enum

import torch

from nodes.diffusion.values import Latents, Sigma


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One time of a process: x_t = alpha x_0 + sigma n.

    Attributes:
        alpha: share of the clean latents. sigma: deviation of the noise, above 0 except at the start.
    """

    alpha: Sigma
    sigma: Sigma

    @property
    def snr(self) -> Sigma:
        """Signal-to-noise ratio alpha^2 / sigma^2 (Kingma et al. 2021, arXiv:2107.00630, eq. 2)."""
        return (self.alpha / self.sigma) ** 2

    @property
    def clock(self) -> Sigma:
        """Half the logarithm of the ratio: the time in which exponential integrators step (arXiv:2206.00927, eq. 2.4)."""
        return self.alpha.log() - self.sigma.log()

    def noised(self, clean: Latents, noise: Latents) -> Latents:
        """A draw from q(x_t | x_0) = N(alpha x_0, sigma^2)."""
        return self.alpha * clean + self.sigma * noise


def preserving(abar: Sigma) -> Level:
    """The variance-preserving process where the product of its 1 - beta is `abar`."""
    return Level(abar.sqrt(), (1 - abar).sqrt())


def exploding(sigma: Sigma) -> Level:
    """The variance-exploding process."""
    return Level(torch.ones_like(sigma), sigma)


def rectified(time: Sigma) -> Level:
    """The rectified flow at a time from 0 (clean) to 1 (noise)."""
    return Level(1 - time, time)


@dataclass(frozen=True, slots=True, eq=False)
class Gaussian:
    """A normal distribution with the same deviation in all directions."""

    mean: Latents
    deviation: Sigma


def marginal(clean: Latents, level: Level) -> Gaussian:
    """q(x_t | x_0)."""
    return Gaussian(level.alpha * clean, level.sigma)


def transition(before: Latents, earlier: Level, later: Level) -> Gaussian:
    """q(x_t | x_s) for a time s before t (Kingma et al. 2021, arXiv:2107.00630, eq. 20 and 21)."""
    share, variance = _between(earlier, later)
    return Gaussian(share * before, variance.sqrt())


def posterior(noisy: Latents, clean: Latents, earlier: Level, later: Level) -> Gaussian:
    """q(x_s | x_t, x_0) for a time s before t: what one step back would be if the clean latents were known.

    Source: Ho et al. 2020 (arXiv:2006.11239), eq. 6 and 7; for any alpha and sigma Kingma et al. 2021 (arXiv:2107.00630),
    eq. 25.
    """
    share, variance = _between(earlier, later)
    kept = share * earlier.sigma**2 / later.sigma**2
    added = earlier.alpha * variance / later.sigma**2
    return Gaussian(kept * noisy + added * clean, variance.sqrt() * earlier.sigma / later.sigma)


def _between(earlier: Level, later: Level) -> tuple[Sigma, Sigma]:
    """What is left of x_s in x_t, and the variance that was added since."""
    share = later.alpha / earlier.alpha
    return share, (later.sigma**2 - share**2 * earlier.sigma**2).clamp(min=0)


class Predicted(Enum):
    """What may be asked of a network at a noisy point. Any one of them and the point give all others."""

    NOISE = "noise"  # n (Ho et al. 2020, arXiv:2006.11239, eq. 14)
    CLEAN = "clean"  # x_0 (Salimans and Ho 2022, arXiv:2202.00512, section 4)
    VELOCITY = "velocity"  # alpha n - sigma x_0 (Salimans and Ho 2022, arXiv:2202.00512, appendix D)
    SCORE = "score"  # gradient of ln q(x_t) (Song et al. 2021, arXiv:2011.13456, eq. 7)
    FLOW = "flow"  # n - x_0 (Liu et al. 2022, arXiv:2209.03003, eq. 1)


def clean_from(kind: Predicted, predicted: Latents, noisy: Latents, level: Level) -> Latents:
    """The clean latents behind a prediction.

    Where alpha is 0 noise and score say nothing about them, and the answer is not finite.
    """
    alpha, sigma = level.alpha, level.sigma
    match kind:
        case Predicted.CLEAN:
            return predicted
        case Predicted.NOISE:
            return (noisy - sigma * predicted) / alpha
        case Predicted.SCORE:
            return (noisy + sigma**2 * predicted) / alpha
        case Predicted.VELOCITY:
            return (alpha * noisy - sigma * predicted) / (alpha**2 + sigma**2)
        case Predicted.FLOW:
            return (noisy - sigma * predicted) / (alpha + sigma)


def predicted_from(kind: Predicted, clean: Latents, noisy: Latents, level: Level) -> Latents:
    """What a network of that kind would have predicted, had it meant those clean latents."""
    alpha, sigma = level.alpha, level.sigma
    noise = (noisy - alpha * clean) / sigma
    match kind:
        case Predicted.CLEAN:
            return clean
        case Predicted.NOISE:
            return noise
        case Predicted.SCORE:
            return -noise / sigma
        case Predicted.VELOCITY:
            return alpha * noise - sigma * clean
        case Predicted.FLOW:
            return noise - clean


def converted(
    predicted: Latents, kind: Predicted, wanted: Predicted, noisy: Latents, level: Level
) -> Latents:
    """One kind of prediction as another."""
    return predicted_from(wanted, clean_from(kind, predicted, noisy, level), noisy, level)


def speed(clean: Latents, noisy: Latents, level: Level, alpha_speed: Sigma, sigma_speed: Sigma) -> Latents:
    """dx/dt of the probability-flow ODE, given the mean of the clean latents behind a noisy point.

    Args:
        alpha_speed, sigma_speed: how fast alpha and sigma change with time there.
    Source: Song et al. 2021 (arXiv:2011.13456), eq. 13; in this form Lipman et al. 2022 (arXiv:2210.02747), eq. 15.
    """
    return alpha_speed * clean + sigma_speed * (noisy - level.alpha * clean) / level.sigma
