"""Stable Cascade (Pernias et al. 2023, arXiv:2306.00637): stage C makes small latents of a text, stage B large ones."""

import re
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from torch import Tensor, nn

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.continuous_levels import CosineLevels
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Parametrisation, Residuals
from nodes.diffusion.errors import ContextMismatch, DiffusionError
from nodes.diffusion.models.families.layout import count, padded
from nodes.diffusion.models.family import Family, Place, Settings, Shapes
from nodes.diffusion.models.files import WeightFile
from nodes.diffusion.models.scheduling import Training

HEAD_WIDTH = 64
SHIFT_C, SHIFT_B = 2.0, 1.0  # of their noise levels, as the field samples them
TEXT, POOLED, PRIOR = "clip_txt_mapper.weight", "clip_txt_pooled_mapper.weight", "effnet_mapper.0.weight"
OLD_POOLED = "clip_mapper."  # what a file of stage B calls it
THIRDS = ("to_q", "to_k", "to_v")  # in this order in the file's joined matrix
JOINED, LAST = "attention.attn.in_proj_", "attention.attn.out_proj."
ENTRY, EXIT = "embedding.1.weight", "clf.1.weight"
RESIDUAL = re.compile(r"channelwise\.0\.weight$")


def original_c(shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`, of stage C: its attention has queries, keys and values in one."""
    return _places_in_file(shapes) if TEXT in shapes and _is_joined(shapes) else None


def original_b(shapes: Shapes) -> Sequence[Place] | None:
    """As `Family.original`, of stage B."""
    return _places_in_file(shapes) if PRIOR in shapes and OLD_POOLED + "weight" in shapes else None


def _is_joined(shapes: Shapes) -> bool:
    return any(JOINED in name for name in shapes)


def _places_in_file(shapes: Shapes) -> Sequence[Place]:
    found: list[Place] = []
    for name, shape in shapes.items():
        before, joined, kind = name.partition(JOINED)
        if joined:
            rows = shape[0] // len(THIRDS)
            found += [
                Place(f"{before}attention.{third}.{kind}", name, (number * rows, rows))
                for number, third in enumerate(THIRDS)
            ]
            continue
        ours = name.replace(LAST, "attention.to_out.0.")
        ours = ours.replace(OLD_POOLED, "clip_txt_pooled_mapper.") if ours.startswith(OLD_POOLED) else ours
        found.append(Place(ours, name))
    return found


def places(shapes: Shapes) -> Sequence[Place]:
    """As `Family.places`."""
    found: list[Place] = []
    for name, shape in shapes.items():
        third = next((third for third in THIRDS if f".attention.{third}." in name), None)
        if third is not None:
            before, _, kind = name.partition(f"attention.{third}.")
            part = (THIRDS.index(third) * shape[0], shape[0])
            found.append(Place(name, f"{before}{JOINED}{kind}", part))
            continue
        theirs = name.replace("attention.to_out.0.", LAST)
        if TEXT not in shapes:
            theirs = theirs.replace("clip_txt_pooled_mapper.", OLD_POOLED)
        found.append(Place(name, theirs))
    return found


def settings(mark: str, patch: int, shapes: Shapes) -> Settings | None:
    """As `Family.settings`.

    Args:
        mark: a tensor that this stage has and the other has not. patch: side of the square of latents that it reads as one.
    """
    if mark not in shapes or POOLED not in shapes:
        return None
    downs, ups = count(shapes, "down_blocks."), count(shapes, "up_blocks.")
    kinds = [_kinds(shapes, level) for level in range(downs)]
    widths = [shapes[f"down_blocks.{level}.0.depthwise.weight"][0] for level in range(downs)]
    attending = next((name for name in shapes if name.endswith("kv_mapper.1.weight")), None)
    width = shapes[TEXT][0] if attending is None else shapes[attending][1]
    switched = "down_downscalers.1.1.blocks.0.weight" in shapes
    conditions = [name for name in ("sca", "crp") if f"down_blocks.0.1.mapper_{name}.weight" in shapes]
    return {
        "in_channels": shapes[ENTRY][1] // patch**2,
        "out_channels": shapes[EXIT][0] // patch**2,
        "patch_size": patch,
        "timestep_ratio_embedding_dim": shapes["down_blocks.0.1.mapper.weight"][1],
        "conditioning_dim": width,
        "block_out_channels": widths,
        "num_attention_heads": [
            max(1, each // HEAD_WIDTH) if "SDCascadeAttnBlock" in kind else 0
            for each, kind in zip(widths, kinds, strict=True)
        ],
        "down_num_layers_per_block": [_layers(shapes, f"down_blocks.{level}.") for level in range(downs)],
        "up_num_layers_per_block": [_layers(shapes, f"up_blocks.{level}.") for level in range(ups)],
        "down_blocks_repeat_mappers": [
            1 + count(shapes, f"down_repeat_mappers.{level}.") for level in range(downs)
        ],
        "up_blocks_repeat_mappers": [
            1 + count(shapes, f"up_repeat_mappers.{level}.") for level in range(ups)
        ],
        "block_types_per_layer": kinds,
        "clip_text_in_channels": _columns(shapes, TEXT),
        "clip_text_pooled_in_channels": shapes[POOLED][1],
        "clip_image_in_channels": _columns(shapes, "clip_img_mapper.weight"),
        "clip_seq": shapes[POOLED][0] // width,
        "effnet_in_channels": _columns(shapes, PRIOR),
        "pixel_mapper_in_channels": _columns(shapes, "pixels_mapper.0.weight"),
        "kernel_size": shapes["down_blocks.0.0.depthwise.weight"][-1],
        "dropout": [0.0] * downs,
        "timestep_conditioning_type": conditions,
        "switch_level": [False] * (downs - 1) if switched else None,
    }


def _columns(shapes: Shapes, name: str) -> int | None:
    return shapes[name][1] if name in shapes else None


def _layers(shapes: Shapes, before: str) -> int:
    return sum(name.startswith(before) and bool(RESIDUAL.search(name)) for name in shapes)


def _kinds(shapes: Shapes, level: int) -> list[str]:
    """The blocks that a level repeats, by their class."""
    marks = {
        "channelwise.0.weight": "SDCascadeResBlock",
        "mapper.weight": "SDCascadeTimestepBlock",
        "kv_mapper.1.weight": "SDCascadeAttnBlock",
    }
    found: list[str] = []
    for number in range(len(marks)):
        before = f"down_blocks.{level}.{number}."
        kind = next((kind for mark, kind in marks.items() if before + mark in shapes), None)
        if kind is None or kind in found:
            break
        found.append(kind)
    return found


def ask(
    module: nn.Module,
    latents: Tensor,
    timestep: Tensor,
    context: Tensor,
    *,
    residuals: Residuals | None = None,
    inputs: NetworkInputs = NO_INPUTS,
    changes: NetworkChanges = NO_CHANGES,
) -> Tensor:
    """As `Ask`, for a `StableCascadeUNet` of either stage. Stage B reads of the text its pooled vector alone."""
    network = cast("Any", module)
    config, (height, width) = network.config, latents.shape[-2:]
    if inputs.pooled is None or inputs.pooled.shape[-1] != config.clip_text_pooled_in_channels:
        raise DiffusionError(
            "Stable Cascade reads the text of CLIP-G, and this prompt was read by other encoders.",
            "Load its text encoder with CLIPLoader, type stable_cascade.",
        )
    told: dict[str, Tensor] = {"clip_text_pooled": inputs.pooled[:, None].to(latents)}
    if config.clip_text_in_channels is not None:
        if context.shape[-1] != config.clip_text_in_channels:
            raise ContextMismatch(context.shape[-1], config.clip_text_in_channels)
        told["clip_text"] = context
        told["clip_img"] = latents.new_zeros(len(latents), 1, config.clip_image_in_channels)
    if config.effnet_in_channels is not None:
        first = inputs.first_stage
        blank = latents.new_zeros(len(latents), config.effnet_in_channels, 1, 1)
        told["effnet"] = blank if first is None else first.to(latents)
    answer = network(padded(latents, config.patch_size), timestep.to(latents), return_dict=False, **told)
    return cast("Tensor", answer[0])[..., :height, :width]


def trained(shift: float, _shapes: Shapes, _weights: WeightFile) -> Training:
    """As `Family.trained`."""
    return Training(Parametrisation.EPS, CosineLevels(shift))


_UNET = "diffusers.models.unets.unet_stable_cascade:StableCascadeUNet"
FAMILIES = (
    Family(
        name="Stable Cascade, stage C",
        made_by=_UNET,
        original=original_c,
        places=places,
        settings=partial(settings, TEXT, 1),
        ask=ask,
        trained=partial(trained, SHIFT_C),
        latents="SC_Prior",
        text="stable_cascade",
        encoders="CLIPLoader (type stable_cascade)",
        folder="prior",
        of_folder=lambda said: said.get("clip_text_in_channels") is not None,
        held_to="its pipeline, step by step",
    ),
    Family(
        name="Stable Cascade, stage B",
        made_by=_UNET,
        original=original_b,
        places=places,
        settings=partial(settings, PRIOR, 2),
        ask=ask,
        trained=partial(trained, SHIFT_B),
        latents="SC_B",
        text="stable_cascade",
        encoders="CLIPLoader (type stable_cascade)",
        folder="decoder",
        of_folder=lambda said: said.get("effnet_in_channels") is not None,
        held_to="its pipeline, step by step",
    ),
)
