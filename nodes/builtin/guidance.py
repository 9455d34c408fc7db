"""Guidance: rules of how the answers for positive and negative prompts are joined, added to a model's recipe."""

from typing import Annotated

from nodes.builtin.kinds import ConditioningIn, ModelIn
from nodes.builtin.latent_maths import OperationIn
from nodes.builtin.shares import checked, layers_in, told_if_empty
from nodes.diffusion.guidance import after, again, attention, before, joining
from nodes.diffusion.values import Model
from nodes.spec import Context, Float, Int, Out, String, node

ModelOut = Annotated[Model, Out("MODEL")]
Patched = Annotated[Model, Out("MODEL", "patched_model")]
Percent = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)]
Scale = Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.1)]
LayerNumbers = Annotated[str, String()]


@node("RescaleCFG", category="advanced/model")
def rescale_cfg(
    ctx: Context,
    model: ModelIn,
    multiplier: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.7,
) -> ModelOut:
    """Keep strong guidance from washing out or burning the picture; for models that predict velocity above all."""
    return model.ruled(joining.RescaleCfg(multiplier))


@node("RenormCFG", category="advanced/model")
def renorm_cfg(
    ctx: Context,
    model: ModelIn,
    cfg_trunc: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01)] = 100,
    renorm_cfg: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01)] = 1.0,
) -> ModelOut:
    """Guidance that makes the answer no stronger than the positive prompt's alone; below a noise level only."""
    return model.ruled(joining.RenormCfg(cfg_trunc, renorm_cfg))


@node("APG", name="Adaptive Projected Guidance", category="sampling/custom_sampling")
def apg(
    ctx: Context,
    model: ModelIn,
    eta: Annotated[float, Float(minimum=-10.0, maximum=10.0, step=0.01)] = 1.0,
    norm_threshold: Annotated[float, Float(minimum=0.0, maximum=50.0, step=0.1)] = 5.0,
    momentum: Annotated[float, Float(minimum=-5.0, maximum=1.0, step=0.01)] = 0.0,
) -> ModelOut:
    """High guidance without burnt colours: `eta` below 1 takes away what only adds saturation."""
    return model.ruled(before.ProjectedGuidance(eta, norm_threshold, momentum))


@node("CFGZeroStar", category="advanced/guidance")
def cfg_zero_star(ctx: Context, model: ModelIn) -> Patched:
    """Scale the negative answer so that it comes nearest to the positive one before they are joined."""
    return model.ruled(after.OptimisedScale())


@node("CFGNorm", category="advanced/guidance", experimental=True)
def cfg_norm(
    ctx: Context,
    model: ModelIn,
    strength: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01)] = 1.0,
) -> Patched:
    """Let guidance at no place make the answer stronger than the positive prompt's alone."""
    return model.ruled(after.KeptNorm(strength))


@node("TCFG", name="Tangential Damping CFG", category="advanced/guidance")
def tcfg(ctx: Context, model: ModelIn) -> Patched:
    """Take from the negative answer what points another way than both answers do together."""
    return model.ruled(before.TangentialDamping())


@node("Mahiro", name="Mahiro CFG", category="_for_testing", experimental=True)
def mahiro(ctx: Context, model: ModelIn) -> Patched:
    """Lean toward the positive prompt where guidance already agrees with the negative one."""
    return model.ruled(after.Mahiro())


@node("Epsilon Scaling", category="model_patches/unet")
def epsilon_scaling(
    ctx: Context,
    model: ModelIn,
    scaling_factor: Annotated[
        float, Float(minimum=0.5, maximum=1.5, step=0.001, extra={"display": "number"})
    ] = 1.005,
) -> ModelOut:
    """Take out a little less noise in each step than the model says, which makes up for its drift."""
    return model.ruled(after.EpsilonScaling(scaling_factor))


@node("TemporalScoreRescaling", name="TSR - Temporal Score Rescaling", category="model_patches/unet")
def temporal_score_rescaling(
    ctx: Context,
    model: ModelIn,
    tsr_k: Annotated[
        float, Float(minimum=0.01, maximum=100.0, step=0.001, extra={"display": "number"})
    ] = 0.95,
    tsr_sigma: Annotated[
        float, Float(minimum=0.01, maximum=100.0, step=0.001, extra={"display": "number"})
    ] = 1.0,
) -> Patched:
    """Choose between more detail (`tsr_k` below 1) and smoother, more varied pictures (above 1)."""
    return model.ruled(after.TemporalScoreRescaling(tsr_k, tsr_sigma))


@node("FreSca", category="_for_testing", experimental=True)
def fresca(
    ctx: Context,
    model: ModelIn,
    scale_low: Annotated[float, Float(minimum=0, maximum=10, step=0.01)] = 1.0,
    scale_high: Annotated[float, Float(minimum=0, maximum=10, step=0.01)] = 1.25,
    freq_cutoff: Annotated[int, Int(minimum=1, maximum=10000, step=1)] = 20,
) -> ModelOut:
    """Guide coarse and fine structure with different strength."""
    return model.ruled(before.FrequencyScaling(scale_low, scale_high, freq_cutoff))


@node(
    "PerpNeg",
    name="Perp-Neg (DEPRECATED by PerpNegGuider)",
    category="_for_testing",
    deprecated=True,
    experimental=True,
)
def perp_neg(
    ctx: Context,
    model: ModelIn,
    empty_conditioning: ConditioningIn,
    neg_scale: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01)] = 1.0,
) -> ModelOut:
    """A negative prompt that takes nothing away of what the positive one asks for."""
    return model.ruled(joining.PerpNeg(empty_conditioning, neg_scale))


@node("PerturbedAttentionGuidance", category="model_patches/unet")
def perturbed_attention_guidance(
    ctx: Context,
    model: ModelIn,
    scale: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.01, round=0.01)] = 3.0,
) -> ModelOut:
    """Better structure, with or without a prompt: away from what the model makes when it cannot look around."""
    return model.ruled(again.PerturbedAttention(scale))


@node("SelfAttentionGuidance", name="Self-Attention Guidance", category="_for_testing", experimental=True)
def self_attention_guidance(
    ctx: Context,
    model: ModelIn,
    scale: Annotated[float, Float(minimum=-2.0, maximum=5.0, step=0.01)] = 0.5,
    blur_sigma: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.1)] = 2.0,
) -> ModelOut:
    """Sharper where the model looks most: away from what it makes of a picture blurred there."""
    return model.ruled(again.SelfAttentionGuidance(scale, blur_sigma))


@node("SkipLayerGuidanceDiT", category="advanced/guidance", experimental=True)
def skip_layer_guidance_dit(
    ctx: Context,
    model: ModelIn,
    double_layers: LayerNumbers = "7, 8, 9",
    single_layers: LayerNumbers = "7, 8, 9",
    scale: Scale = 3.0,
    start_percent: Percent = 0.01,
    end_percent: Percent = 0.15,
    rescaling_scale: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.01)] = 0.0,
) -> ModelOut:
    """Better structure of diffusion transformers: away from what they make without some of their layers."""
    told_if_empty(ctx, start_percent, end_percent)
    layers = layers_in(ctx, double_layers=double_layers, single_layers=single_layers)
    if not layers:
        return model
    return model.ruled(again.SkippedLayers(layers, scale, start_percent, end_percent, rescaling_scale))


@node("SkipLayerGuidanceDiTSimple", category="advanced/guidance", experimental=True)
def skip_layer_guidance_dit_simple(
    ctx: Context,
    model: ModelIn,
    double_layers: LayerNumbers = "7, 8, 9",
    single_layers: LayerNumbers = "7, 8, 9",
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
) -> ModelOut:
    """The same without a further call of the model: the negative answer itself is made without these layers."""
    told_if_empty(ctx, start_percent, end_percent)
    layers = layers_in(ctx, double_layers=double_layers, single_layers=single_layers)
    if not layers:
        return model
    return model.ruled(again.NegativeSkippedLayers(layers, start_percent, end_percent))


@node("SkipLayerGuidanceSD3", category="advanced/guidance", experimental=True)
def skip_layer_guidance_sd3(
    ctx: Context,
    model: ModelIn,
    layers: LayerNumbers = "7, 8, 9",
    scale: Scale = 3.0,
    start_percent: Percent = 0.01,
    end_percent: Percent = 0.15,
) -> ModelOut:
    """Better structure of Stable Diffusion 3: away from what it makes without some of its layers."""
    told_if_empty(ctx, start_percent, end_percent)
    chosen = layers_in(ctx, layers=layers)
    if not chosen:
        return model
    return model.ruled(again.SkippedLayers(chosen, scale, start_percent, end_percent))


@node("WeftPerturbedAttentionLayers", name="Perturbed Attention (by layer)", category="advanced/guidance")
def perturbed_attention_layers(
    ctx: Context,
    model: ModelIn,
    double_layers: LayerNumbers = "7, 8, 9",
    single_layers: LayerNumbers = "",
    scale: Scale = 3.0,
    start_percent: Percent = 0.0,
    end_percent: Percent = 1.0,
    rescaling_scale: Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.01)] = 0.0,
) -> ModelOut:
    """Better structure of diffusion transformers: away from what they make when some layers cannot look around."""
    checked(start_percent, end_percent)
    layers = layers_in(ctx, double_layers=double_layers, single_layers=single_layers)
    if not layers:
        return model
    return model.ruled(again.PerturbedLayers(layers, scale, start_percent, end_percent, rescaling_scale))


@node("LatentApplyOperationCFG", category="latent/advanced/operations", experimental=True)
def latent_apply_operation_cfg(ctx: Context, model: ModelIn, operation: OperationIn) -> ModelOut:
    """Change what guidance adds by an operation on latents, in each step."""
    return model.ruled(before.OperatedDifference(operation))


@node("VideoLinearCFGGuidance", category="sampling/video_models")
def video_linear_cfg_guidance(
    ctx: Context,
    model: ModelIn,
    min_cfg: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.5, round=0.01)] = 1.0,
) -> ModelOut:
    """Guidance that grows over the frames of a video, from `min_cfg` to the sampler's cfg."""
    return model.ruled(joining.LinearFrames(min_cfg))


@node("VideoTriangleCFGGuidance", category="sampling/video_models")
def video_triangle_cfg_guidance(
    ctx: Context,
    model: ModelIn,
    min_cfg: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.5, round=0.01)] = 1.0,
) -> ModelOut:
    """Guidance that grows toward the middle of a video and falls again; for views all around a thing."""
    return model.ruled(joining.TriangleFrames(min_cfg))


@node("WeftGuidanceInterval", name="Guidance Interval", category="advanced/guidance")
def guidance_interval(
    ctx: Context, model: ModelIn, start_percent: Percent = 0.2, end_percent: Percent = 0.8
) -> ModelOut:
    """Guidance in this share of the run only: more variety before it, and a faster run, since outside it costs nothing."""
    checked(start_percent, end_percent)
    return model.ruled(joining.LimitedInterval(start_percent, end_percent))


@node("WeftDynamicThresholding", name="Dynamic Thresholding", category="advanced/guidance")
def dynamic_thresholding(
    ctx: Context,
    model: ModelIn,
    mimic_scale: Annotated[float, Float(minimum=0.0, maximum=100.0, step=0.5)] = 7.0,
    threshold_percentile: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.001)] = 0.999,
) -> ModelOut:
    """A high cfg with the colours that `mimic_scale` would have had."""
    return model.ruled(joining.DynamicThresholding(mimic_scale, threshold_percentile))


@node("WeftNormalizedAttentionGuidance", name="Normalized Attention Guidance", category="advanced/guidance")
def normalized_attention_guidance(
    ctx: Context,
    model: ModelIn,
    negative: ConditioningIn,
    nag_scale: Annotated[float, Float(minimum=1.0, maximum=50.0, step=0.1)] = 5.0,
    nag_tau: Annotated[float, Float(minimum=1.0, maximum=10.0, step=0.1)] = 2.5,
    nag_alpha: Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)] = 0.25,
) -> ModelOut:
    """A negative prompt for models that run at cfg 1 (turbo, lightning, LCM), at little cost."""
    return model.ruled(attention.NormalisedAttention(negative, nag_scale, nag_tau, nag_alpha))


NODES = (
    rescale_cfg,
    renorm_cfg,
    apg,
    cfg_zero_star,
    cfg_norm,
    tcfg,
    mahiro,
    epsilon_scaling,
    temporal_score_rescaling,
    fresca,
    perp_neg,
    perturbed_attention_guidance,
    self_attention_guidance,
    skip_layer_guidance_dit,
    skip_layer_guidance_dit_simple,
    skip_layer_guidance_sd3,
    perturbed_attention_layers,
    latent_apply_operation_cfg,
    video_linear_cfg_guidance,
    video_triangle_cfg_guidance,
    guidance_interval,
    dynamic_thresholding,
    normalized_attention_guidance,
)
