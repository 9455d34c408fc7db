"""Latents and conditionings in files, for training: `shard_0000.pkl` and so on in a folder of the output folder.

The files are those of the field: pickled lists of the wires' dictionaries, which are read without running anything.
"""

import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import torch
from torch import Tensor

from nodes.builtin.image import Extra, Prompt
from nodes.diffusion.values import Cond, Conditioning, Latent
from nodes.spec import Context, Int, NodeError, Out, Place, Result, Socket, String, node

CATEGORY = "dataset"
POOLED = "pooled_output"
Name = String(extra={"multiline": False, "default": "training_dataset"})
LatentsOut = Annotated[list[Latent], Out("LATENT", "latents", is_list=True)]
ConditioningsOut = Annotated[list[Conditioning], Out("CONDITIONING", "conditioning", is_list=True)]


@node(
    "SaveTrainingDataset",
    name="Save Training Dataset",
    category=CATEGORY,
    output=True,
    takes_lists=True,
    experimental=True,
)
def save_training_dataset(
    ctx: Context,
    latents: Annotated[Sequence[Latent], Socket("LATENT")],
    conditioning: Annotated[Sequence[Conditioning], Socket("CONDITIONING")],
    folder_name: Annotated[Sequence[str], Name],
    shard_size: Annotated[Sequence[int], Int(minimum=1, maximum=100000, extra={"default": 1000})],
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write latents with their conditionings to a folder of the output folder, so many of them to a file."""
    del prompt, extra_pnginfo
    if len(latents) != len(conditioning):
        raise NodeError(
            f"There are {len(latents)} latents and {len(conditioning)} conditionings.",
            "Connect one conditioning for each of latents.",
        )
    size, folder = shard_size[0], folder_name[0]
    starts = range(0, len(latents), size)
    for number, start in enumerate(starts):
        part = slice(start, start + size)
        held = {
            "latents": [_latent(latent) for latent in latents[part]],
            "conditioning": [[_cond(cond) for cond in conds] for conds in conditioning[part]],
        }
        with ctx.files.overwrite(Place.OUTPUT, f"{folder}/shard_{number:04}.pkl").writing() as path:
            torch.save(held, path)
        ctx.progress(number + 1, len(starts))
    told = {"num_samples": len(latents), "num_shards": len(starts), "shard_size": size}
    with ctx.files.overwrite(Place.OUTPUT, f"{folder}/metadata.json").writing() as path:
        path.write_text(json.dumps(told, indent=2), encoding="utf-8")
    return Result()


def _token(ctx: Context, folder_name: str = "", **_others: object) -> str:
    """Changes when a file of the folder does."""
    try:
        return repr(
            [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in _shards(ctx, folder_name)]
        )
    except NodeError:
        return ""


@node(
    "LoadTrainingDataset",
    name="Load Training Dataset",
    category=CATEGORY,
    experimental=True,
    change_token=_token,
)
def load_training_dataset(
    ctx: Context, folder_name: Annotated[str, String(extra={"multiline": False})] = "training_dataset"
) -> tuple[LatentsOut, ConditioningsOut]:
    """What Save Training Dataset has written, all files of a folder in one list each."""
    latents: list[Latent] = []
    conditionings: list[Conditioning] = []
    for path in _shards(ctx, folder_name):
        held = _opened(path)
        try:
            latents += [_to_latent(entry) for entry in held["latents"]]
            conditionings += [tuple(_to_cond(entry) for entry in entries) for entries in held["conditioning"]]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise NodeError(
                f"{path.name} of {folder_name} holds no training data ({error}).",
                "Write the folder anew with Save Training Dataset.",
            ) from error
    return latents, conditionings


def _shards(ctx: Context, folder: str) -> list[Path]:
    """The folder's files in order.

    Raises:
        NodeError: there are none.
    """
    first = ctx.files.picture(f"{folder}/shard_0000.pkl [{Place.OUTPUT.value}]")
    return sorted(first.parent.glob("shard_*.pkl"))


def _opened(path: Path) -> Mapping[str, Any]:
    try:
        held: object = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise NodeError(
            f"{path.name} cannot be read: it is damaged, or holds more than numbers and texts, which could run code.",
            "Write the folder anew with Save Training Dataset.",
        ) from error
    if not isinstance(held, dict):
        raise NodeError(
            f"{path.name} holds no training data.", "Write the folder anew with Save Training Dataset."
        )
    return cast("Mapping[str, Any]", held)


def _latent(latent: Latent) -> dict[str, object]:
    """As the field's wires carry it."""
    held: dict[str, object] = {"samples": latent.samples.contiguous()}
    if latent.noise_mask is not None:
        held["noise_mask"] = latent.noise_mask
    if latent.batch_index is not None:
        held["batch_index"] = list(latent.batch_index)
    return held


def _cond(cond: Cond) -> list[object]:
    """As the field's wires carry it; what only says where or when a prompt counts has no meaning in training.

    Raises:
        NodeError: it holds what cannot be written.
    """
    held = {name: value for name, value in cond.extra.items() if _plain(value)}
    lost = sorted(cond.extra.keys() - held.keys())
    if lost or cond.controls or cond.hooks is not None:
        what = ", ".join(
            [*lost, *(["controls"] if cond.controls else []), *(["hooks"] if cond.hooks else [])]
        )
        raise NodeError(
            f"conditioning holds {what}, which a training set cannot keep.",
            "Connect prompts as they were encoded.",
        )
    return [cond.context, held if cond.pooled is None else {POOLED: cond.pooled, **held}]


def _plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_plain(entry) for entry in cast("Sequence[object]", value))
    return value is None or isinstance(value, Tensor | bool | int | float | str)


def _to_latent(held: Mapping[str, Any]) -> Latent:
    index = held.get("batch_index")
    return Latent(held["samples"].float(), held.get("noise_mask"), None if index is None else tuple(index))


def _to_cond(held: Sequence[Any]) -> Cond:
    context, said = held
    extra = {name: value for name, value in said.items() if name != POOLED}
    return Cond(context.float(), said.get(POOLED), extra=extra)


NODES = (save_training_dataset, load_training_dataset)
