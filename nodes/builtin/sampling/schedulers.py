"""Schedules as values: of a model, between two noise levels, from published tables, for flow models."""

from typing import Annotated

from nodes.builtin.kinds import ModelIn, SigmasOut
from nodes.builtin.models import models, told
from nodes.builtin.sampling.inputs import SCHEDULE_NAMES, Denoise, Steps
from nodes.builtin.sampling.running import check_names
from nodes.diffusion import more_schedules, schedules
from nodes.diffusion.values import Latent
from nodes.spec import Boolean, Combo, Context, Float, Int, NodeError, Socket, node

CATEGORY = "sampling/custom_sampling/schedulers"
Level = Annotated[float, Float(minimum=0.0, maximum=5000.0, step=0.01, round=False)]
Power = Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01, round=False)]
Bend = Annotated[float, Float(minimum=0.0, maximum=50.0, step=0.01, round=False)]
Shift = Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01)]
Side = Annotated[int, Int(minimum=16, maximum=16384, step=1)]
SD_HIGH, SD_LOW = 14.614642, 0.0291675
TOKENS = 4096  # where no latent says how many


@node("BasicScheduler", category=CATEGORY)
def basic_scheduler(
    ctx: Context,
    *,
    model: ModelIn,
    scheduler: Annotated[str, Combo(SCHEDULE_NAMES, bare=False)],
    steps: Steps = 20,
    denoise: Denoise = 1.0,
) -> SigmasOut:
    """A schedule by its name, on the noise levels of a model."""
    check_names("euler", scheduler)
    with models(ctx) as loaded:
        return schedules.for_run(scheduler, loaded.network(model).levels, steps, denoise)


@node("KarrasScheduler", category=CATEGORY)
def karras_scheduler(
    ctx: Context, steps: Steps = 20, sigma_max: Level = SD_HIGH, sigma_min: Level = SD_LOW, rho: Power = 7.0
) -> SigmasOut:
    """Small steps at low noise: even ones of the `rho`-th root of sigma."""
    if rho == 0.0:
        raise NodeError("There is no 0th root of sigma.", "Set rho above 0; 7 is usual.")
    return schedules.karras_between(sigma_min, sigma_max, steps, rho)


@node("ExponentialScheduler", category=CATEGORY)
def exponential_scheduler(
    ctx: Context, steps: Steps = 20, sigma_max: Level = SD_HIGH, sigma_min: Level = SD_LOW
) -> SigmasOut:
    """Each level is the same share of the last one."""
    with told():
        return more_schedules.exponential_between(sigma_min, sigma_max, steps)


@node("PolyexponentialScheduler", category=CATEGORY)
def polyexponential_scheduler(
    ctx: Context, steps: Steps = 20, sigma_max: Level = SD_HIGH, sigma_min: Level = SD_LOW, rho: Power = 1.0
) -> SigmasOut:
    """As the exponential one at `rho` 1; above, it stays longer at low noise."""
    with told():
        return more_schedules.polyexponential(sigma_min, sigma_max, steps, rho)


@node("LaplaceScheduler", category=CATEGORY)
def laplace_scheduler(
    ctx: Context,
    steps: Steps = 20,
    sigma_max: Level = SD_HIGH,
    sigma_min: Level = SD_LOW,
    mu: Annotated[float, Float(minimum=-10.0, maximum=10.0, step=0.1, round=False)] = 0.0,
    beta: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.1, round=False)] = 0.5,
) -> SigmasOut:
    """Most levels lie around e^`mu`, within a width of `beta`. It does not end at 0: some noise is left."""
    return more_schedules.laplace(sigma_min, sigma_max, steps, mu, beta)


@node("VPScheduler", category=CATEGORY)
def vp_scheduler(
    ctx: Context,
    steps: Steps = 20,
    beta_d: Level = 19.9,
    beta_min: Level = 0.1,
    eps_s: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.0001, round=False)] = 0.001,
) -> SigmasOut:
    """Even times of the continuous variance-preserving process, down to the time `eps_s`."""
    return more_schedules.variance_preserving(steps, beta_d, beta_min, eps_s)


@node("BetaSamplingScheduler", category=CATEGORY)
def beta_sampling_scheduler(
    ctx: Context, model: ModelIn, steps: Steps = 20, alpha: Bend = 0.6, beta: Bend = 0.6
) -> SigmasOut:
    """Timesteps by quantiles of a beta distribution: below 1, `alpha` and `beta` crowd them at either end."""
    if min(alpha, beta) <= 0.0:
        raise NodeError(
            "A beta distribution needs both parameters above 0.", "Set alpha and beta; 0.6 is usual."
        )
    with models(ctx) as loaded:
        return schedules.beta(loaded.network(model).levels, steps, alpha, beta)


@node("SDTurboScheduler", category=CATEGORY)
def sd_turbo_scheduler(
    ctx: Context,
    model: ModelIn,
    steps: Annotated[int, Int(minimum=1, maximum=10)] = 1,
    denoise: Denoise = 1.0,
) -> SigmasOut:
    """The timesteps for which SD Turbo was distilled."""
    with models(ctx) as loaded:
        return more_schedules.turbo(loaded.network(model).levels, steps, denoise)


@node("AlignYourStepsScheduler", category=CATEGORY)
def align_your_steps_scheduler(
    ctx: Context,
    *,
    model_type: Annotated[str, Combo(("SD1", "SDXL", "SVD"), bare=False)],
    steps: Steps = 10,
    denoise: Denoise = 1.0,
) -> SigmasOut:
    """Levels found by search for a kind of model: good from about 10 steps on."""
    return more_schedules.align_your_steps(model_type, steps, denoise)


@node("GITSScheduler", category=CATEGORY)
def gits_scheduler(
    ctx: Context,
    coeff: Annotated[float, Float(minimum=0.8, maximum=1.5, step=0.05)] = 1.2,
    steps: Annotated[int, Int(minimum=2, maximum=1000)] = 10,
    denoise: Denoise = 1.0,
) -> SigmasOut:
    """Levels found by the shape of trajectories; a higher `coeff` spends more steps at low noise."""
    with told():
        return more_schedules.gits(coeff, steps, denoise)


@node("OptimalStepsScheduler", category=CATEGORY)
def optimal_steps_scheduler(
    ctx: Context,
    *,
    model_type: Annotated[str, Combo(("FLUX", "Wan", "Chroma"), bare=False)],
    steps: Annotated[int, Int(minimum=3, maximum=1000)] = 20,
    denoise: Denoise = 1.0,
) -> SigmasOut:
    """Levels found by dynamic programming for a flow model, for few steps."""
    return more_schedules.optimal_steps(model_type, steps, denoise)


@node("Flux2Scheduler", category=CATEGORY)
def flux2_scheduler(
    ctx: Context,
    steps: Annotated[int, Int(minimum=1, maximum=4096)] = 20,
    width: Side = 1024,
    height: Side = 1024,
) -> SigmasOut:
    """For Flux 2: larger pictures and fewer steps stay longer at high noise."""
    return more_schedules.flux2(steps, width, height)


@node("LTXVScheduler", category=CATEGORY)
def ltxv_scheduler(
    ctx: Context,
    steps: Steps = 20,
    max_shift: Shift = 2.05,
    base_shift: Shift = 0.95,
    stretch: Annotated[bool, Boolean()] = True,
    terminal: Annotated[float, Float(minimum=0.0, maximum=0.99, step=0.01)] = 0.1,
    latent: Annotated[Latent | None, Socket("LATENT", optional=True)] = None,
) -> SigmasOut:
    """For LTX Video: larger latents stay longer at high noise. `stretch` puts the last level at `terminal`."""
    tokens = TOKENS if latent is None else latent.samples.shape[2:].numel()
    return more_schedules.ltxv(steps, tokens, base_shift, max_shift, terminal=terminal if stretch else None)


NODES = (
    basic_scheduler,
    karras_scheduler,
    exponential_scheduler,
    polyexponential_scheduler,
    laplace_scheduler,
    vp_scheduler,
    beta_sampling_scheduler,
    sd_turbo_scheduler,
    align_your_steps_scheduler,
    gits_scheduler,
    optimal_steps_scheduler,
    flux2_scheduler,
    ltxv_scheduler,
)
