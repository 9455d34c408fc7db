"""Schedules as values: cut, turn, extend and read them."""

from typing import Annotated

from nodes.builtin.kinds import ModelIn, SigmasIn, SigmasOut
from nodes.builtin.models import models, told
from nodes.diffusion import sigma_tools
from nodes.diffusion.sigma_tools import Spacing
from nodes.diffusion.values import Sigmas
from nodes.spec import Boolean, Combo, Context, Float, Int, Out, String, node

CATEGORY = "sampling/custom_sampling/sigmas"
High = Annotated[Sigmas, Out("SIGMAS", "high_sigmas")]
Low = Annotated[Sigmas, Out("SIGMAS", "low_sigmas")]


@node("SplitSigmas", category=CATEGORY)
def split_sigmas(
    ctx: Context, sigmas: SigmasIn, step: Annotated[int, Int(minimum=0, maximum=10000)] = 0
) -> tuple[High, Low]:
    """Cut a schedule at a step: two samplers can share it."""
    return sigma_tools.split(sigmas, step)


@node("SplitSigmasDenoise", category=CATEGORY)
def split_sigmas_denoise(
    ctx: Context,
    sigmas: SigmasIn,
    denoise: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 1.0,
) -> tuple[High, Low]:
    """Cut a schedule before its last share of steps."""
    return sigma_tools.split_by_share(sigmas, denoise)


@node("FlipSigmas", category=CATEGORY)
def flip_sigmas(ctx: Context, sigmas: SigmasIn) -> SigmasOut:
    """Turn a schedule round, to go from a picture back to its noise."""
    return sigma_tools.flipped(sigmas)


@node("SetFirstSigma", category=CATEGORY)
def set_first_sigma(
    ctx: Context,
    sigmas: SigmasIn,
    sigma: Annotated[float, Float(minimum=0.0, maximum=20000.0, step=0.001, round=False)] = 136.0,
) -> SigmasOut:
    """Start a schedule at another noise level."""
    with told():
        return sigma_tools.with_first(sigmas, sigma)


@node("ExtendIntermediateSigmas", category=CATEGORY)
def extend_intermediate_sigmas(
    ctx: Context,
    *,
    sigmas: SigmasIn,
    steps: Annotated[int, Int(minimum=1, maximum=100)] = 2,
    start_at_sigma: Annotated[float, Float(minimum=-1.0, maximum=20000.0, step=0.01, round=False)] = -1.0,
    end_at_sigma: Annotated[float, Float(minimum=0.0, maximum=20000.0, step=0.01, round=False)] = 12.0,
    spacing: Annotated[str, Combo(("linear", "cosine", "sine"), bare=False)],
) -> SigmasOut:
    """Cut the steps in a range of noise levels into smaller ones. -1 as the start is the highest level."""
    return sigma_tools.extended(sigmas, steps, start_at_sigma, end_at_sigma, Spacing(spacing))


@node("SamplingPercentToSigma", category=CATEGORY)
def sampling_percent_to_sigma(
    ctx: Context,
    model: ModelIn,
    sampling_percent: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.0001)] = 0.0,
    return_actual_sigma: Annotated[bool, Boolean()] = False,
) -> Annotated[float, Out("FLOAT", "sigma_value")]:
    """The noise level at a share of the run.

    At 0 that is above all of the model's levels, at 1 it is 0; or, if you ask for it, its highest and its lowest.
    """
    with models(ctx) as loaded:
        levels = loaded.network(model).levels
    if return_actual_sigma and sampling_percent in (0.0, 1.0):
        return levels.maximum if sampling_percent == 0.0 else levels.minimum
    return levels.at_percent(sampling_percent)


@node("ManualSigmas", category="_for_testing/custom_sampling", experimental=True)
def manual_sigmas(ctx: Context, sigmas: Annotated[str, String()] = "1, 0.5") -> SigmasOut:
    """A schedule written by hand: numbers, with anything between them."""
    levels = sigma_tools.read(sigmas)
    odd = sigma_tools.ignored(sigmas)
    if odd:
        read = ", ".join(f"{level:g}" for level in levels.tolist()) or "none"
        ctx.say(f"Not numbers as this node reads them: {', '.join(odd)}. The levels are: {read}.")
    return levels


NODES = (
    split_sigmas,
    split_sigmas_denoise,
    flip_sigmas,
    set_first_sigma,
    extend_intermediate_sigmas,
    sampling_percent_to_sigma,
    manual_sigmas,
)
