"""Names of modules in files of changes: which network a name is for, and what it may be called there.

Files write full stops or underscores; both count alike. What stands before a name says whom it is for.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import Tensor, nn

from nodes.diffusion.models.family import Place

SEPARATORS = re.compile(r"[._]")

# Before a name of the denoising network; the empty one lets bare names in.
NETWORK_PREFIXES = (
    "lora_unet_",
    "lora_transformer_",
    "lora_prior_unet_",
    "lycoris_",
    "base_model.model.",
    "model.diffusion_model.",
    "diffusion_model.",
    "transformer.",
    "unet.",
    "pipe.dit.",
    "dit.",
    "model.",
    "",
)
TEXT_PREFIXES = ("lora_te_", "lora_te1_", "text_encoder.")
# Of several text encoders, by the field's names for them.
TEXTS_PREFIXES: Mapping[str, Sequence[str]] = {
    "l": (
        *TEXT_PREFIXES,
        "text_encoders.clip_l.transformer.",
        "cond_stage_model.transformer.",
        "clip_l.transformer.",
        "clip_l.",
    ),
    "h": (*TEXT_PREFIXES, "text_encoders.clip_h.transformer."),
    "g": (
        "lora_te2_",
        "lora_prior_te_",
        "text_encoder_2.",
        "text_encoders.clip_g.transformer.",
        "clip_g.transformer.",
        "clip_g.",
    ),
    "t5xxl": (
        "lora_te3_",
        "lora_te2_encoder_block",  # where T5 is the second
        "text_encoder_3.",
        "text_encoder_2.encoder.block",
        "text_encoders.t5xxl.transformer.",
        "t5xxl.",
        "t5.",
    ),
}
ANY_TEXT = (
    "lora_te",
    "lora_prior_te_",
    "text_encoder",
    "cond_stage_model.",
    "clip_l.",
    "clip_g.",
    "t5.",
    "t5xxl.",
)
PARTIAL = ("lora_te2_encoder_block", "text_encoder_2.encoder.block")  # their last words belong to the name

# Names that say in words of their own which module they change, each with the usual way.
RENAMED = (
    (re.compile(r"(double_blocks\.\d+)\.processor\.(qkv|proj)_lora1\."), r"\1.img_attn.\2.lora."),
    (re.compile(r"(double_blocks\.\d+)\.processor\.(qkv|proj)_lora2\."), r"\1.txt_attn.\2.lora."),
    (re.compile(r"(single_blocks\.\d+)\.processor\.qkv_lora\."), r"\1.qkv.lora."),
    (re.compile(r"(single_blocks\.\d+)\.processor\.proj_lora\."), r"\1.linear2.lora."),
    (re.compile(r"\.self_attn\.to_(q|k|v)_lora\."), r".self_attn.\1_proj.lora."),
    (re.compile(r"\.self_attn\.to_out_lora\."), ".self_attn.out_proj.lora."),
    (re.compile(r"\.processor\."), "."),
    (
        re.compile(r"^(unet|transformer|text_encoder(?:_\d)?)\.base_model\.model\."),
        r"\1.",
    ),  # saved by PEFT itself
    (re.compile(r"^lycoris_(unet|te\d?)_"), r"lora_\1_"),
    (re.compile(r"^lycoris_(text_encoder(?:_\d)?)_"), r"\1."),
)
# What else a module is called: by the end of its tensor's name, another end.
ALSO = ((".to_out.0.weight", ".to_out.weight"), (".to_out.0.bias", ".to_out.bias"))
ATTENTION = re.compile(
    r"(.*single_blocks\.\d+)\.linear1\.(weight|bias)$"
)  # its first three parts are also "qkv"


def text_prefixes(label: str) -> Sequence[str]:
    """What stands before names that are for a text encoder, by the field's name for it."""
    return TEXTS_PREFIXES.get(label, (*TEXT_PREFIXES, f"text_encoders.{label}.transformer."))


def usual(name: str) -> str:
    """A tensor's name in a file, its module called in the usual way."""
    for pattern, instead in RENAMED:
        name = pattern.sub(instead, name)
    return name


def within(name: str, prefixes: Sequence[str]) -> Iterator[str]:
    """What a module of a file may be called in the network whose names begin so; nothing: it is not for it."""
    if "" in prefixes and name.removeprefix("base_model.model.").startswith((*ANY_TEXT, "text_model.")):
        return
    for prefix in prefixes:
        if not name.startswith(prefix):
            continue
        rest = name.removeprefix(prefix)
        if prefix in PARTIAL:
            yield f"encoder_block{rest}"
        else:
            yield rest
        if prefix == "base_model.model.":
            yield from within(rest, [further for further in prefixes if further != prefix])


def known(name: str) -> str:
    """A name as it is looked for."""
    return SEPARATORS.sub("_", name)


def table(
    module: nn.Module, aliases: Mapping[str, str], places: Iterable[Place]
) -> dict[str, tuple[Place, ...]]:
    """Where each tensor lies that files may name, by `known` names; several places where one of theirs is split here.

    Args:
        aliases: other beginnings of names, each with ours for it; both end in a full stop.
        places: where tensors lie in the original layout.
    """
    found: dict[str, tuple[Place, ...]] = {}
    beginnings: dict[str, list[str]] = {}
    for alias, ours in aliases.items():
        beginnings.setdefault(ours, []).append(alias)
    for name, _ in _tensors(module):
        for called in (name, *_others(name, beginnings)):
            found.setdefault(known(called), (Place(name, called),))
            for end, other in ALSO:
                if called.endswith(end):
                    found.setdefault(known(called.removesuffix(end) + other), (Place(name, called),))
    split: dict[str, list[Place]] = {}
    for place in places:
        split.setdefault(place.theirs, []).append(place)
    for theirs, parts in split.items():
        found[known(theirs)] = tuple(parts)
        attention = ATTENTION.match(theirs)
        if attention is not None and len(parts) > 3:
            found[known(f"{attention[1]}.qkv.{attention[2]}")] = tuple(parts[:3])
    return found


def _tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from module.named_parameters(remove_duplicate=False)


def _others(name: str, beginnings: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Other names of a tensor, by every beginning of its own that has one."""
    for end in (0, *(place for place, letter in enumerate(name, 1) if letter == ".")):
        for alias in beginnings.get(name[:end], ()):
            yield alias + name[end:]
