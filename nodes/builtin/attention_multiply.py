"""Attention multiplied: what its projections' weights count, by the kind of attention."""

from typing import Annotated

from nodes.builtin.kinds import ClipIn, ClipOut, ModelIn, ModelOut
from nodes.builtin.models import there
from nodes.diffusion.values import WeightScale
from nodes.spec import Context, Float, node

CATEGORY = "_for_testing/attention_experiments"
Factor = Annotated[float, Float(minimum=0.0, maximum=10.0, step=0.01)]


@node("UNetSelfAttentionMultiply", category=CATEGORY, experimental=True)
def unet_self_attention_multiply(
    ctx: Context, model: ModelIn, q: Factor = 1.0, k: Factor = 1.0, v: Factor = 1.0, out: Factor = 1.0
) -> ModelOut:
    """Strengthen or weaken how a U-Net looks around in the picture."""
    return model.patched(_projections("*.attn1.", q, k, v, out))


@node("UNetCrossAttentionMultiply", category=CATEGORY, experimental=True)
def unet_cross_attention_multiply(
    ctx: Context, model: ModelIn, q: Factor = 1.0, k: Factor = 1.0, v: Factor = 1.0, out: Factor = 1.0
) -> ModelOut:
    """Strengthen or weaken how a U-Net reads the prompt."""
    return model.patched(_projections("*.attn2.", q, k, v, out))


def _projections(attention: str, q: float, k: float, v: float, out: float) -> WeightScale:
    parts = (("to_q", q), ("to_k", k), ("to_v", v), ("to_out.0", out))
    return WeightScale(tuple((attention + part, factor) for part, factor in parts))


@node("CLIPAttentionMultiply", category=CATEGORY, experimental=True)
def clip_attention_multiply(
    ctx: Context, clip: ClipIn, q: Factor = 1.0, k: Factor = 1.0, v: Factor = 1.0, out: Factor = 1.0
) -> ClipOut:
    """Strengthen or weaken how a text encoder relates words to each other."""
    parts = (("q_proj", q), ("k_proj", k), ("v_proj", v), ("out_proj", out))
    return there(clip).patched(WeightScale(tuple((f"*self_attn.{part}", factor) for part, factor in parts)))


@node("UNetTemporalAttentionMultiply", category=CATEGORY, experimental=True)
def unet_temporal_attention_multiply(
    ctx: Context,
    model: ModelIn,
    self_structural: Factor = 1.0,
    self_temporal: Factor = 1.0,
    cross_structural: Factor = 1.0,
    cross_temporal: Factor = 1.0,
) -> ModelOut:
    """Of video U-Nets: what attention within frames counts, and what attention between them."""
    return model.patched(
        WeightScale(
            (
                ("*.time_stack.*attn1.to_out.0", self_temporal),
                ("*.time_stack.*attn2.to_out.0", cross_temporal),
                ("*.attn1.to_out.0", self_structural),
                ("*.attn2.to_out.0", cross_structural),
            )
        )
    )


NODES = (
    unet_self_attention_multiply,
    unet_cross_attention_multiply,
    clip_attention_multiply,
    unet_temporal_attention_multiply,
)
