"""Names of tensors of transformers' control networks in files: those of diffusers, XLabs (FLUX), Stability AI (3.5)."""

from collections.abc import Sequence

from nodes.diffusion.models.families import flux
from nodes.diffusion.models.families.layout import line, places_in_file, qkv
from nodes.diffusion.models.family import Place, Shapes

_B = "transformer_blocks.{}."
STABILITY = (
    line("t_embedder.mlp.0", "time_text_embed.timestep_embedder.linear_1"),
    line("t_embedder.mlp.2", "time_text_embed.timestep_embedder.linear_2"),
    line("y_embedder.mlp.0", "time_text_embed.text_embedder.linear_1"),
    line("y_embedder.mlp.2", "time_text_embed.text_embedder.linear_2"),
    line("pos_embed_input.proj", "pos_embed_input.proj"),
    line("controlnet_blocks.{}", "controlnet_blocks.{}"),
    line(_B + "adaLN_modulation.1", _B + "norm1.linear"),
    qkv(_B + "attn.qkv", _B + "attn"),
    line(_B + "attn.proj", _B + "attn.to_out.0"),
    line(_B + "mlp.fc1", _B + "ff.net.0.proj"),
    line(_B + "mlp.fc2", _B + "ff.net.2"),
)
HINT = "input_hint_block."
XLABS = (
    *flux.LINES,
    line("pos_embed_input", "controlnet_x_embedder"),
    line("controlnet_blocks.{}", "controlnet_blocks.{}"),
    line("controlnet_single_blocks.{}", "controlnet_single_blocks.{}"),
    line(HINT + "0", HINT + "conv_in"),
    *(line(f"{HINT}{2 * index + 2}", f"{HINT}blocks.{index}") for index in range(6)),
    line(HINT + "14", HINT + "conv_out"),
)


def names_in(shapes: Shapes) -> Sequence[Place]:
    """The places of a file's tensors, by its own shapes."""
    if "double_blocks.0.img_attn.qkv.weight" in shapes:
        return places_in_file(XLABS, shapes)
    if "transformer_blocks.0.attn.qkv.weight" in shapes:
        return places_in_file(STABILITY, shapes)
    return [Place(name, name) for name in shapes]
