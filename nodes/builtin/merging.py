"""Merging: models and text encoders mixed by their weights, as longer recipes."""

import re
from collections.abc import Callable, Iterator
from typing import Annotated

from nodes.builtin.kinds import AnyClip, ClipIn, ClipOut, ModelIn, ModelOut
from nodes.builtin.models import there
from nodes.diffusion.values import Clip, Merge, Model
from nodes.spec import Context, Float, InputSpec, Node, NodeSpec, OutputSpec, Section, node

CATEGORY = "advanced/model_merging"
Ratio = Annotated[float, Float(minimum=0.0, maximum=1.0, step=0.01)]
Multiplier = Annotated[float, Float(minimum=-10.0, maximum=10.0, step=0.01)]
RUN = re.compile(r"^(.*)\{(\d+)-(\d+)\}(.*)$")

# By node, how the names of each block's weights begin in the field's layout; {0-2} stands for three.
BLOCKS = {
    "ModelMergeAuraflow": "init_x_linear. positional_encoding cond_seq_linear. register_tokens t_embedder. "
    "double_layers.{0-3}. single_layers.{0-31}. modF. final_linear.",
    "ModelMergeCosmos14B": "pos_embedder. extra_pos_embedder. x_embedder. t_embedder. affline_norm. "
    "blocks.block{0-35}. final_layer.",
    "ModelMergeCosmos7B": "pos_embedder. extra_pos_embedder. x_embedder. t_embedder. affline_norm. "
    "blocks.block{0-27}. final_layer.",
    "ModelMergeCosmosPredict2_14B": "pos_embedder. x_embedder. t_embedder. t_embedding_norm. blocks.{0-35}. final_layer.",
    "ModelMergeCosmosPredict2_2B": "pos_embedder. x_embedder. t_embedder. t_embedding_norm. blocks.{0-27}. final_layer.",
    "ModelMergeFlux1": "img_in. time_in. guidance_in vector_in. txt_in. double_blocks.{0-18}. single_blocks.{0-37}. "
    "final_layer.",
    "ModelMergeLTXV": "patchify_proj. adaln_single. caption_projection. transformer_blocks.{0-27}. scale_shift_table "
    "proj_out.",
    "ModelMergeMochiPreview": "pos_frequencies. t_embedder. t5_y_embedder. t5_yproj. blocks.{0-47}. final_layer.",
    "ModelMergeQwenImage": "pos_embeds. img_in. txt_norm. txt_in. time_text_embed. transformer_blocks.{0-59}. proj_out.",
    "ModelMergeSD1": "time_embed. label_emb. input_blocks.{0-11}. middle_block.{0-2}. output_blocks.{0-11}. out.",
    "ModelMergeSD2": "time_embed. label_emb. input_blocks.{0-11}. middle_block.{0-2}. output_blocks.{0-11}. out.",
    "ModelMergeSD35_Large": "pos_embed. x_embedder. context_embedder. y_embedder. t_embedder. joint_blocks.{0-37}. "
    "final_layer.",
    "ModelMergeSD3_2B": "pos_embed. x_embedder. context_embedder. y_embedder. t_embedder. joint_blocks.{0-23}. "
    "final_layer.",
    "ModelMergeSDXL": "time_embed. label_emb. input_blocks.{0-8} middle_block.{0-2} output_blocks.{0-8} out.",
    "ModelMergeWAN2_1": "patch_embedding. time_embedding. time_projection. text_embedding. img_emb. blocks.{0-39}. head.",
}


@node("ModelMergeSimple", category=CATEGORY)
def model_merge_simple(ctx: Context, model1: ModelIn, model2: ModelIn, ratio: Ratio = 1.0) -> ModelOut:
    """Two models in one: 1 is the first, 0 the second."""
    return model1.patched(Merge(model2.checkpoint, model2.patches, ratio, 1.0 - ratio))


@node("ModelMergeAdd", category=CATEGORY)
def model_merge_add(ctx: Context, model1: ModelIn, model2: ModelIn) -> ModelOut:
    """The sum of both; to put back what a subtraction took out."""
    return model1.patched(Merge(model2.checkpoint, model2.patches, 1.0, 1.0))


@node("ModelMergeSubtract", category=CATEGORY)
def model_merge_subtract(
    ctx: Context, model1: ModelIn, model2: ModelIn, multiplier: Multiplier = 1.0
) -> ModelOut:
    """What the first has and the second has not, times a number."""
    return model1.patched(Merge(model2.checkpoint, model2.patches, multiplier, -multiplier))


@node("ModelMergeBlocks", category=CATEGORY)
def model_merge_blocks(
    ctx: Context,
    model1: ModelIn,
    model2: ModelIn,
    input: Ratio = 1.0,
    middle: Ratio = 1.0,
    out: Ratio = 1.0,
) -> ModelOut:
    """Two models in one, each part of the U-Net with a ratio of its own: 1 is the first model."""
    blocks = (("input", input), ("middle", middle), ("out", out))
    return model1.patched(Merge(model2.checkpoint, model2.patches, blocks=blocks))


@node("CLIPMergeSimple", category=CATEGORY)
def clip_merge_simple(ctx: Context, clip1: ClipIn, clip2: ClipIn, ratio: Ratio = 1.0) -> ClipOut:
    """Two text encoders in one: 1 is the first, 0 the second."""
    return _with(clip1, clip2, ratio, 1.0 - ratio)


@node("CLIPMergeAdd", category=CATEGORY)
def clip_merge_add(ctx: Context, clip1: ClipIn, clip2: ClipIn) -> ClipOut:
    """The sum of both text encoders."""
    return _with(clip1, clip2, 1.0, 1.0)


@node("CLIPMergeSubtract", category=CATEGORY)
def clip_merge_subtract(ctx: Context, clip1: ClipIn, clip2: ClipIn, multiplier: Multiplier = 1.0) -> ClipOut:
    """What the first text encoder has and the second has not, times a number."""
    return _with(clip1, clip2, multiplier, -multiplier)


def _with(clip1: AnyClip, clip2: AnyClip, ours: float, theirs: float) -> Clip:
    one, other = there(clip1), there(clip2)
    return one.patched(Merge(other.checkpoint, other.patches, ours, theirs))


def _by_block(id: str, blocks: str) -> Node:
    """A node with one ratio for each block; their names have full stops, so it is put together by hand."""
    names = tuple(_names(blocks))
    ratio = Float(minimum=0.0, maximum=1.0, step=0.01)
    models = (InputSpec("model1", "MODEL", Section.REQUIRED), InputSpec("model2", "MODEL", Section.REQUIRED))
    spec = NodeSpec(
        id=id,
        display_name=id,
        category=f"{CATEGORY}/model_specific",
        description="Two models of a family in one, block by block: 1 is the first, 0 the second.",
        inputs=(*models, *(ratio.to_spec(name, 1.0, has_default=True) for name in names)),
        outputs=(OutputSpec("MODEL", "MODEL"),),
    )
    return Node(spec, _merging(names))


def _merging(names: tuple[str, ...]) -> Callable[..., Model]:
    def run(ctx: Context, model1: Model, model2: Model, **ratios: float) -> Model:
        blocks = tuple((name, float(ratios[name])) for name in names)
        return model1.patched(Merge(model2.checkpoint, model2.patches, blocks=blocks))

    return run


def _names(blocks: str) -> Iterator[str]:
    for part in blocks.split():
        found = RUN.match(part)
        if found is None:
            yield part
            continue
        before, first, last, after = found.groups()
        yield from (f"{before}{number}{after}" for number in range(int(first), int(last) + 1))


NODES = (
    model_merge_simple,
    model_merge_add,
    model_merge_subtract,
    model_merge_blocks,
    clip_merge_simple,
    clip_merge_add,
    clip_merge_subtract,
    *(_by_block(id, blocks) for id, blocks in BLOCKS.items()),
)
