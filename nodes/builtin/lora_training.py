"""LoRAs trained on the canvas: learned from latents and their prompts, tried at once, written to a file."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

import torch
from safetensors.torch import save_file

from nodes.builtin.image import Extra, Prompt
from nodes.builtin.kinds import ModelIn
from nodes.builtin.models import models, safe, told
from nodes.diffusion.lora_training import LOSSES, OPTIMISERS, Plan, Sample, Step, trained
from nodes.diffusion.models.files import open_weights
from nodes.diffusion.values import Conditioning, Latent, LoraTensors, Model, TensorPatch
from nodes.spec import (
    Boolean,
    Combo,
    Context,
    Float,
    Int,
    NodeError,
    Out,
    Place,
    Result,
    Socket,
    String,
    node,
)

NONE = "[None]"
KINDS = ("LoRA", "LoHa", "LoKr", "OFT")
TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
STEPS = re.compile(r"_(\d+)_steps_")
Losses = Mapping[str, Sequence[float]]


def _choice(values: Sequence[str], default: str) -> Combo:
    return Combo(tuple(values), bare=False, extra={"default": default})


@node("TrainLoraNode", name="Train LoRA", category="training", takes_lists=True, experimental=True)
def train_lora(
    ctx: Context,
    model: Annotated[Sequence[Model], Socket("MODEL")],
    latents: Annotated[Sequence[Latent], Socket("LATENT")],
    positive: Annotated[Sequence[Conditioning], Socket("CONDITIONING")],
    batch_size: Annotated[Sequence[int], Int(minimum=1, maximum=10000, extra={"default": 1})],
    grad_accumulation_steps: Annotated[Sequence[int], Int(minimum=1, maximum=1024, extra={"default": 1})],
    steps: Annotated[Sequence[int], Int(minimum=1, maximum=100000, extra={"default": 16})],
    learning_rate: Annotated[
        Sequence[float], Float(minimum=1e-07, maximum=1.0, step=1e-07, extra={"default": 0.0005})
    ],
    rank: Annotated[Sequence[int], Int(minimum=1, maximum=128, extra={"default": 8})],
    optimizer: Annotated[Sequence[str], _choice(tuple(OPTIMISERS), "AdamW")],
    loss_function: Annotated[Sequence[str], _choice(tuple(LOSSES), "MSE")],
    seed: Annotated[Sequence[int], Int(minimum=0, maximum=2**64 - 1, extra={"default": 0})],
    training_dtype: Annotated[Sequence[str], _choice(tuple(TYPES), "bf16")],
    lora_dtype: Annotated[Sequence[str], _choice(tuple(TYPES), "bf16")],
    algorithm: Annotated[Sequence[str], _choice(KINDS, "LoRA")],
    gradient_checkpointing: Annotated[Sequence[bool], Boolean(extra={"default": True})],
    existing_lora: Annotated[
        Sequence[str], Combo((NONE,), folder="loras", bare=False, extra={"default": NONE})
    ],
    bucket_mode: Annotated[Sequence[bool], Boolean(extra={"default": False})],
) -> tuple[
    Annotated[Model, Out("MODEL", "model")],
    Annotated[LoraTensors, Out("LORA_MODEL", "lora")],
    Annotated[Losses, Out("LOSS_MAP", "loss_map")],
    Annotated[int, Out("INT", "steps")],
]:
    """Teach a model what latents show, with the prompts that say it, as a LoRA: for Load LoRA Model, or to be saved."""
    plan = Plan(
        kind=algorithm[0],
        rank=rank[0],
        batch=batch_size[0],
        gathered=grad_accumulation_steps[0],
        steps=steps[0],
        rate=learning_rate[0],
        optimiser=optimizer[0],
        loss=loss_function[0],
        seed=seed[0],
        kept=TYPES[lora_dtype[0]],
        computed=TYPES[training_dtype[0]],
        frugal=gradient_checkpointing[0],
        buckets=bucket_mode[0],
    )
    start, before = _existing(ctx, existing_lora[0])
    losses: list[float] = []
    made: dict[str, torch.Tensor] = {}
    with models(ctx) as loaded:
        network = loaded.network(model[0])
        samples = _samples(latents, positive)
        form = network.latent_format
        scaled = [replace(sample, latents=form.to_model(sample.latents.float())) for sample in samples]
        for news in trained(network, scaled, plan, start):
            if isinstance(news, Step):
                losses.append(news.loss)
                ctx.progress(news.number, news.total)
            else:
                made = news
    lora = LoraTensors(_content(made), made)
    return model[0].patched(TensorPatch(lora, 1.0)), lora, {"loss": losses}, before + steps[0]


@node("LoraModelLoader", name="Load LoRA Model", category="loaders", experimental=True)
def lora_model_loader(
    ctx: Context,
    model: ModelIn,
    lora: Annotated[LoraTensors, Socket("LORA_MODEL")],
    strength_model: Annotated[float, Float(minimum=-100.0, maximum=100.0)] = 1.0,
) -> Annotated[Model, Out("MODEL", "model")]:
    """Add a LoRA that was just trained to a model."""
    return model.patched(TensorPatch(lora, strength_model)) if strength_model else model


@node("SaveLoRA", name="Save LoRA Weights", category="loaders", output=True, experimental=True)
def save_lora(
    ctx: Context,
    lora: Annotated[LoraTensors, Socket("LORA_MODEL")],
    prefix: Annotated[str, String(extra={"multiline": False})] = "loras/ComfyUI_trained_lora",
    steps: Annotated[int | None, Int(optional=True)] = None,
    prompt: Prompt = None,
    extra_pnginfo: Extra = None,
) -> Result:
    """Write a LoRA that was just trained to the output folder."""
    del prompt, extra_pnginfo
    named = prefix if steps is None else f"{prefix}_{steps}_steps"
    slot = ctx.files.reserve(Place.OUTPUT, named, ".safetensors")
    with slot.writing() as path:
        save_file(dict(lora.tensors), path)
    return Result()


def _samples(latents: Sequence[Latent], positive: Sequence[Conditioning]) -> list[Sample]:
    """Each item of the latents with its prompt.

    Raises:
        NodeError: there are not as many of both.
    """
    items = [item[None] for latent in latents for item in latent.samples]
    conds = [cond for conditioning in positive for cond in conditioning]
    if len(conds) == 1:
        conds *= len(items)
    if not items or len(conds) != len(items):
        raise NodeError(
            f"There are {len(items)} latents and {len(conds)} positive conditionings.",
            "Connect one conditioning for each of latents, or one for all.",
        )
    return [Sample(item, cond) for item, cond in zip(items, conds, strict=True)]


def _existing(ctx: Context, name: str) -> tuple[dict[str, torch.Tensor] | None, int]:
    """The tensors of a file to go on from, and how many steps its name says."""
    if name == NONE:
        return None, 0
    with told():
        weights = open_weights(safe(ctx, ctx.files.find("loras", name)))
        held = weights.tensors(weights.shapes)
    said = STEPS.search(name)
    return dict(held), int(said[1]) if said else 0


def _content(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


NODES = (train_lora, lora_model_loader, save_lora)
