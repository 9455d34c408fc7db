"""How a model is sampled: what it predicts, on which noise levels. Each node changes the recipe, no weights."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from nodes.builtin.kinds import ModelIn, ModelOut
from nodes.diffusion.continuous_levels import AngleLevels, CosineLevels, EdmLevels, ShareLevels
from nodes.diffusion.denoiser import Parametrisation
from nodes.diffusion.level_recipes import LevelsRecipe, OwnLevels
from nodes.diffusion.noise_levels import FlowLevels, flux_levels, flux_mu
from nodes.diffusion.values import Latent, Model
from nodes.spec import Boolean, Combo, Context, Float, Int, NodeError, Socket, node

CATEGORY = "advanced/model"
PLAYGROUND = "SDXL_Playground_2_5"
CONSISTENCY_STEPS = 50
PIXELS_OF_TOKEN = 256
LTXV_TOKENS = 1024, 4096  # at which the base and the most shift hold
DISCRETE: Mapping[str, Parametrisation] = {
    "eps": Parametrisation.EPS,
    "v_prediction": Parametrisation.V,
    "lcm": Parametrisation.CONSISTENCY,
    "x0": Parametrisation.X0,
    "img_to_img": Parametrisation.IMAGE_TO_IMAGE,
}
CONTINUOUS: Mapping[str, Parametrisation] = {
    "v_prediction": Parametrisation.V,
    "edm": Parametrisation.EDM,
    "edm_playground_v2.5": Parametrisation.EDM,
    "eps": Parametrisation.EPS,
    "cosmos_rflow": Parametrisation.COSMOS,
}
Shift = Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01)]
Level = Annotated[float, Float(minimum=0.0, maximum=1000.0, step=0.001, round=False)]
Side = Annotated[int, Int(minimum=16, maximum=16384, step=8)]


@node("ModelSamplingDiscrete", category=CATEGORY)
def model_sampling_discrete(
    ctx: Context,
    *,
    model: ModelIn,
    sampling: Annotated[str, Combo(tuple(DISCRETE))],
    zsnr: Annotated[bool, Boolean()] = False,
) -> ModelOut:
    """Say what a model predicts: noise (eps), velocity, or clean latents; `lcm` is for consistency models and LoRAs.

    `zsnr` lets its noise levels end in pure noise, for models that were trained so.
    """
    distilled = CONSISTENCY_STEPS if sampling == "lcm" else 0
    return _changed(model, DISCRETE[sampling], OwnLevels(zsnr, distilled))


@node("ModelSamplingContinuousEDM", category=CATEGORY)
def model_sampling_continuous_edm(
    ctx: Context,
    *,
    model: ModelIn,
    sampling: Annotated[str, Combo(tuple(CONTINUOUS))],
    sigma_max: Level = 120.0,
    sigma_min: Level = 0.002,
) -> ModelOut:
    """For models that are told the logarithm of their noise level, between two levels."""
    _check_range(sigma_min, sigma_max)
    kind = CONTINUOUS[sampling]
    levels = ShareLevels if kind is Parametrisation.COSMOS else EdmLevels
    changed = _changed(model, kind, levels(sigma_min, sigma_max))
    if sampling != "edm_playground_v2.5":
        return changed
    return replace(changed, settings=replace(changed.settings, latent_format=PLAYGROUND))


@node("ModelSamplingContinuousV", category=CATEGORY)
def model_sampling_continuous_v(
    ctx: Context,
    *,
    model: ModelIn,
    sampling: Annotated[str, Combo(("v_prediction",))],
    sigma_max: Level = 500.0,
    sigma_min: Level = 0.03,
) -> ModelOut:
    """For models that predict velocity and are told the angle of their noise level, between two levels."""
    _check_range(sigma_min, sigma_max)
    return _changed(model, Parametrisation.V, AngleLevels(sigma_min, sigma_max))


@node("ModelSamplingSD3", category=CATEGORY)
def model_sampling_sd3(ctx: Context, model: ModelIn, shift: Shift = 3.0) -> ModelOut:
    """For flow models: a higher `shift` stays longer at high noise, for larger pictures."""
    return _changed(model, Parametrisation.FLOW, FlowLevels(shift, 1000.0))


@node("ModelSamplingAuraFlow", category=CATEGORY)
def model_sampling_aura_flow(ctx: Context, model: ModelIn, shift: Shift = 1.73) -> ModelOut:
    """For flow models that are told the time from 0 to 1: a higher `shift` stays longer at high noise."""
    return _changed(model, Parametrisation.FLOW, FlowLevels(shift, 1.0))


@node("ModelSamplingFlux", category=CATEGORY)
def model_sampling_flux(
    ctx: Context,
    model: ModelIn,
    max_shift: Shift = 1.15,
    base_shift: Shift = 0.5,
    width: Side = 1024,
    height: Side = 1024,
) -> ModelOut:
    """For Flux: the shift for a picture's size, between `base_shift` at 256 x 256 and `max_shift` at 1024 x 1024."""
    mu = flux_mu(width * height / PIXELS_OF_TOKEN, base_shift, max_shift)
    return _changed(model, Parametrisation.FLOW, flux_levels(mu))


@node("ModelSamplingLTXV", category=CATEGORY)
def model_sampling_ltxv(
    ctx: Context,
    model: ModelIn,
    max_shift: Shift = 2.05,
    base_shift: Shift = 0.95,
    latent: Annotated[Latent | None, Socket("LATENT", optional=True)] = None,
) -> ModelOut:
    """For LTX Video: the shift for the size of latents; without them, `max_shift`."""
    few, many = LTXV_TOKENS
    tokens = many if latent is None else latent.samples.shape[2:].numel()
    return _changed(
        model, Parametrisation.FLOW, flux_levels(flux_mu(tokens, base_shift, max_shift, few, many))
    )


@node("ModelSamplingStableCascade", category=CATEGORY)
def model_sampling_stable_cascade(ctx: Context, model: ModelIn, shift: Shift = 2.0) -> ModelOut:
    """For Stable Cascade: a cosine schedule, shifted for larger pictures."""
    if shift == 0.0:
        raise NodeError("A shift of 0 leaves nothing but noise.", "Set it above 0; 2 is usual.")
    return _changed(model, Parametrisation.EPS, CosineLevels(shift))


@node("DifferentialDiffusion", name="Differential Diffusion", category="_for_testing", experimental=True)
def differential_diffusion(
    ctx: Context,
    model: ModelIn,
    strength: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01, optional=True)] = 1.0,
) -> ModelOut:
    """Read a latent's noise mask as how much each place may change: white from the start of the run, grey from later on."""
    return replace(model, settings=replace(model.settings, differential=strength))


def _changed(model: Model, kind: Parametrisation, levels: LevelsRecipe) -> Model:
    return replace(model, settings=replace(model.settings, parametrisation=kind.value, levels=levels))


def _check_range(low: float, high: float) -> None:
    if not 0.0 < low < high:
        raise NodeError(
            f"There are no noise levels from {low} up to {high}.",
            "Set sigma_min above 0 and below sigma_max.",
        )


NODES = (
    model_sampling_discrete,
    model_sampling_continuous_edm,
    model_sampling_continuous_v,
    model_sampling_sd3,
    model_sampling_aura_flow,
    model_sampling_flux,
    model_sampling_ltxv,
    model_sampling_stable_cascade,
    differential_diffusion,
)
