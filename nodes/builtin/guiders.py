"""Guiders: what steers a run, as a value of its own, and the sampler that takes all its parts as values."""

from typing import Annotated

from nodes.builtin.kinds import ConditioningIn, LatentIn, ModelIn, NoiseIn, SamplerIn, SigmasIn
from nodes.builtin.models import models
from nodes.builtin.sampling.running import sampled
from nodes.diffusion.guidance import BasicGuidance, CfgGuidance, DualGuidance, Guidance, PerpNegGuidance
from nodes.diffusion.guidance import guider as guided
from nodes.diffusion.sampling import Run
from nodes.diffusion.values import Latent
from nodes.spec import Combo, Context, Float, Out, Socket, node

GuiderIn = Annotated[Guidance, Socket("GUIDER")]
GuiderOut = Annotated[Guidance, Out("GUIDER")]
Cfg = Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.1, round=0.01)]


@node("BasicGuider", category="sampling/custom_sampling/guiders")
def basic_guider(ctx: Context, model: ModelIn, conditioning: ConditioningIn) -> GuiderOut:
    """The prompt alone, without a negative one; for models that were trained to need none."""
    return BasicGuidance(model, conditioning)


@node("CFGGuider", category="sampling/custom_sampling/guiders")
def cfg_guider(
    ctx: Context, model: ModelIn, positive: ConditioningIn, negative: ConditioningIn, cfg: Cfg = 8.0
) -> GuiderOut:
    """Away from the negative prompt, toward the positive one and beyond it by `cfg`."""
    return CfgGuidance(model, positive, negative, cfg)


@node("DualCFGGuider", category="sampling/custom_sampling/guiders")
def dual_cfg_guider(
    ctx: Context,
    model: ModelIn,
    cond1: ConditioningIn,
    cond2: ConditioningIn,
    negative: ConditioningIn,
    cfg_conds: Cfg = 8.0,
    cfg_cond2_negative: Cfg = 8.0,
    style: Annotated[str, Combo(("regular", "nested"), bare=False)] = "regular",
) -> GuiderOut:
    """Two prompts with a strength each: from negative to `cond2`, and from there to `cond1` (or, nested, to their mix)."""
    return DualGuidance(
        model, cond1, cond2, negative, cfg_conds, cfg_cond2_negative, nested=style == "nested"
    )


@node("PerpNegGuider", category="_for_testing", experimental=True)
def perp_neg_guider(
    ctx: Context,
    model: ModelIn,
    positive: ConditioningIn,
    negative: ConditioningIn,
    empty_conditioning: ConditioningIn,
    cfg: Cfg = 8.0,
    neg_scale: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01)] = 1.0,
) -> GuiderOut:
    """A negative prompt that takes nothing away of what the positive one asks for."""
    return PerpNegGuidance(model, positive, negative, empty_conditioning, cfg, neg_scale)


@node("SamplerCustomAdvanced", category="sampling/custom_sampling")
def sampler_custom_advanced(
    ctx: Context,
    noise: NoiseIn,
    guider: GuiderIn,
    sampler: SamplerIn,
    sigmas: SigmasIn,
    latent_image: LatentIn,
) -> tuple[Annotated[Latent, Out("LATENT", "output")], Annotated[Latent, Out("LATENT", "denoised_output")]]:
    """Sample with every part from a node of its own. The second output is the last guess of the clean latents."""
    with models(ctx, guider.model, latent_image) as loaded:
        steered = guided(guider, loaded.network(guider.model), loaded.control)
        run = Run(sampler, sigmas, 0, noise, guider.model.settings.differential)
        made = sampled(ctx, loaded, steered, latent_image, run)
    return made.latent, made.denoised


NODES = (basic_guider, cfg_guider, dual_cfg_guider, perp_neg_guider, sampler_custom_advanced)
