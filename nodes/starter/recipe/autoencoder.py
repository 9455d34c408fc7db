"""Train the autoencoder: first the whole on crops and full pictures, later the decoder alone while latents stay fixed."""

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from nodes.starter.recipe.checkpoints import Run
from nodes.starter.recipe.concepts import COLOURS
from nodes.starter.recipe.drawings import NATURAL, Drawings, paper_values
from nodes.starter.recipe.muon import Muon
from nodes.starter.recipe.thumbnail import build, start_as_thumbnail

_ADAM_NAMES = ("conv_in", "conv_out", "quant_conv", "shortcut")
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """One stage of training. `crop` is in pixels (the full side means no crop); `noise` the most added to latents."""

    steps: int
    crop_steps: int
    crop: int
    batch: int
    crop_batch: int
    rate: float
    decay: float  # the last share of the steps, in which the rate falls to zero
    noise: float
    train_encoder: bool
    seed: int


def whole_plan(steps: int) -> Plan:
    """Encoder and decoder together, mostly on crops."""
    return Plan(steps, steps * 2 // 3, 64, 8, 16, 1.2e-3, 0.6, 0.4, train_encoder=True, seed=1)


def decoder_plan(steps: int, decay: float = 0.7) -> Plan:
    """The decoder alone on full pictures, for sharper edges and faces."""
    return Plan(steps, 0, 64, 8, 16, 8e-4, decay, 0.35, train_encoder=False, seed=2)


def new(channels: tuple[int, ...], seed: int = 0) -> AutoencoderKL:
    """An untrained autoencoder that starts as a thumbnail codec."""
    torch.manual_seed(seed)
    model = build(channels)
    start_as_thumbnail(model)
    return model


def train(model: AutoencoderKL, drawings: Drawings, plan: Plan, run: Run) -> None:
    """Follow `plan`, changing `model` in place; goes on from what `run` has saved.

    The random numbers of a step depend on the plan's seed and the step's number alone.
    """
    model.to(memory_format=torch.channels_last).train()
    if not plan.train_encoder:
        model.encoder.requires_grad_(requires_grad=False)
        model.quant_conv.requires_grad_(requires_grad=False)
    optimizer = Muon(model.named_parameters(), plan.rate, plan.rate / 2, _ADAM_NAMES)
    sampler = PictureSampler(drawings)
    errors: list[float] = []
    started = time.process_time()
    for step in range(run.resume(model, optimizer), min(plan.steps, run.stop_at or plan.steps)):
        random = np.random.default_rng((plan.seed, step))
        noise = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        cropped = step < plan.crop_steps
        pictures = sampler.batch(
            random, plan.crop_batch if cropped else plan.batch, plan.crop if cropped else None
        )
        loss, error = _loss(model, pictures, plan, noise, smooth=plan.train_encoder and step % 2 == 0)
        loss.backward()
        optimizer.step(_factor(step, plan))
        errors.append(error)
        if (step + 1) % 100 == 0:
            psnr = 10 * math.log10(4 / float(np.mean(errors)))
            run.note(f"step {step + 1} psnr {psnr:.2f} dB, {time.process_time() - started:.0f} CPU s")
            errors.clear()
        if run.due(step + 1, plan.steps):
            run.save(model, optimizer, step + 1)
    model.requires_grad_(requires_grad=True).eval()


class PictureSampler:
    """Random training pictures: a drawing, mostly repainted, on a background."""

    def __init__(self, drawings: Drawings) -> None:
        self._drawings = drawings
        self._places = np.argwhere(drawings.present)
        self._papers = paper_values()

    def batch(self, random: np.random.Generator, size: int, crop: int | None) -> Tensor:
        """`size` pictures (size, 3, side, side), -1 to 1, channels last; `crop` cuts squares of that side."""
        pictures = []
        for _ in range(size):
            concept, style = self._places[random.integers(len(self._places))]
            paint = NATURAL if random.random() < 0.4 else int(random.integers(1 + len(COLOURS)))
            paper = int(random.integers(len(self._papers))) if random.random() < 0.55 else 0
            picture = self._drawings.on_papers(concept, style, paint, self._papers[paper : paper + 1])[0]
            if crop is not None:
                top, left = random.integers(4, picture.shape[0] - crop - 3, 2)
                picture = picture[top : top + crop, left : left + crop]
            pictures.append(picture)
        stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
        return stacked.contiguous(memory_format=torch.channels_last)


def means(model: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Latents of pictures without the encoder's (tiny) noise; float32 (n, 4, side / 8, side / 8)."""
    return model.quant_conv(model.encoder(pictures))[:, :4].float()


def _loss(
    model: AutoencoderKL, pictures: Tensor, plan: Plan, noise: torch.Generator, smooth: bool
) -> tuple[Tensor, float]:
    """Loss and mean squared error: pixels, edges, standard latents, and (if `smooth`) halved latents for halved pictures."""
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(plan.train_encoder):
        latents = means(model, pictures)
    strength = torch.rand(len(pictures), 1, 1, 1, generator=noise) * plan.noise
    noisy = latents + strength * torch.randn(latents.shape, generator=noise)
    with torch.autocast("cpu", torch.bfloat16):
        drawn = model.decoder(model.post_quant_conv(noisy))
    off = drawn.float() - pictures
    loss = off.abs().mean() + off.pow(2).mean() + 0.5 * (_slope(off, 2) + _slope(off, 3))
    if plan.train_encoder:
        middle = latents.mean((0, 2, 3))
        deviation = (latents - middle[None, :, None, None]).pow(2).mean((0, 2, 3)).clamp_min(1e-6).sqrt()
        loss = loss + 0.01 * middle.pow(2).mean() + 0.1 * F.relu(deviation - 1).pow(2).mean()
        loss = loss + 0.002 * latents.pow(2).mean()
    if smooth:
        half = len(pictures) // 2
        with torch.autocast("cpu", torch.bfloat16):
            small = model.decoder(model.post_quant_conv(F.avg_pool2d(latents[:half], 2)))
        loss = loss + 0.3 * (small.float() - F.avg_pool2d(pictures[:half], 2)).abs().mean()
    return loss, off.detach().pow(2).mean().item()


def _slope(values: Tensor, axis: int) -> Tensor:
    """Mean absolute difference of neighbours along `axis`."""
    return values.diff(dim=axis).abs().mean()


def _factor(step: int, plan: Plan) -> float:
    """Share of the learning rate: a short warm-up, then level, then straight to zero."""
    return min(1.0, (step + 1) / _WARM_UP, (plan.steps - step) / (plan.steps * plan.decay))
