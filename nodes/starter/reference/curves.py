"""The levels that nodes of their own make, each at its node's defaults: curves for the page."""

from collections.abc import Mapping

from torch import Tensor

from nodes.diffusion import more_schedules, schedules, sigma_tools
from nodes.diffusion.noise_levels import NoiseLevels
from nodes.diffusion.sigma_tools import Spacing

LOW, HIGH = 0.0291675, 14.614642  # the ends of Stable Diffusion's levels, as the nodes have them
FEW = 10  # steps of published tables
WRITTEN = "14, 9, 5, 3, 1.5, 0.7, 0.3, 0.1, 0"
SIDE = 1024  # of a picture for Flux 2, in pixels


def node_curves(levels: NoiseLevels, steps: int) -> Mapping[str, Tensor]:
    """By the node's name the sigmas that it gives; nodes that change a schedule are given `karras` in `steps` steps.

    Args:
        levels: of the model, for the nodes that ask for one.
    """
    given = schedules.karras_between(LOW, HIGH, steps)
    made = {
        "KarrasScheduler": given,
        "ExponentialScheduler": more_schedules.exponential_between(LOW, HIGH, steps),
        "PolyexponentialScheduler": more_schedules.polyexponential(LOW, HIGH, steps, rho=2.0),
        "VPScheduler": more_schedules.variance_preserving(steps, 19.9, 0.1, 0.001),
        "LaplaceScheduler": more_schedules.laplace(LOW, HIGH, steps, 0.0, 0.5),
        "BetaSamplingScheduler": schedules.beta(levels, steps, 0.6, 0.6),
        "SDTurboScheduler": more_schedules.turbo(levels, FEW, 1.0),
        "AlignYourStepsScheduler": more_schedules.align_your_steps("SD1", FEW, 1.0),
        "GITSScheduler": more_schedules.gits(1.2, FEW, 1.0),
        "OptimalStepsScheduler": more_schedules.optimal_steps("FLUX", FEW, 1.0),
        "Flux2Scheduler": more_schedules.flux2(steps, SIDE, SIDE),
        "LTXVScheduler": more_schedules.ltxv(steps, more_schedules.LTXV_TOKENS[1], 0.95, 2.05, terminal=0.1),
        "ManualSigmas": sigma_tools.read(WRITTEN),
    }
    return {**made, **_changed(given, steps)}


def _changed(given: Tensor, steps: int) -> Mapping[str, Tensor]:
    """A schedule after each node that changes one; of two parts the later one."""
    return {
        "SplitSigmas": sigma_tools.split(given, steps // 2)[1],
        "SplitSigmasDenoise": sigma_tools.split_by_share(given, 0.25)[1],
        "FlipSigmas": sigma_tools.flipped(given),
        "SetFirstSigma": sigma_tools.with_first(given, 2 * HIGH),
        "ExtendIntermediateSigmas": sigma_tools.extended(given, 2, -1.0, 5.0, Spacing.LINEAR),
    }
