"""Train the U-Net: v prediction, zero terminal SNR, Muon; the learning rate falls to zero."""

import time
from dataclasses import dataclass

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from nodes.starter.recipe.captions import caption, with_unknown_word
from nodes.starter.recipe.checkpoints import Run
from nodes.starter.recipe.latents import Latents
from nodes.starter.recipe.muon import Muon
from nodes.starter.recipe.scenes import Scenes
from nodes.starter.recipe.text import token_ids

TIMESTEPS = 1000
_ADAM_NAMES = ("conv_in", "conv_out", "time_emb")


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast.

    `knots` are (step, share of the rate), straight lines between them; the last is (steps, 0).
    """

    knots: tuple[tuple[int, float], ...] = ()
    batch: int = 32
    rate: float = 3.5e-3
    adam_rate: float = 2e-3
    warm_up: int = 80
    dropout: float = 0.1  # share of captions left out, for guidance
    unknown_words: float = 0.05
    seed: int = 5

    @property
    def steps(self) -> int:
        """The number of steps in all."""
        return self.knots[-1][0]


def new(width: int, seed: int = 0) -> UNet2DConditionModel:
    """An untrained U-Net for 16x16 latents, with attention at 4x4 alone; `width` is the size of a text state."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        layers_per_block=1,
        block_out_channels=(64, 128, 192),
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=4,
        norm_num_groups=32,
    )


def signal_shares() -> Tensor:
    """Share of the signal's variance at each timestep: SD1's schedule, rescaled to none at the last.

    Source: Lin et al. 2023 (arXiv:2305.08891), algorithm 1. Float64 (1000,), falling.
    """
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, TIMESTEPS, dtype=torch.float64) ** 2
    roots = torch.cumprod(1 - betas, 0).sqrt()
    return ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2


def loss_weights(shares: Tensor) -> Tensor:
    """Weight of the v loss at each timestep, mean 1: the middle of the schedule counts most, its ends a floor."""
    ratio = shares / (1 - shares)
    weights = 4 * ratio / (ratio + 1) ** 2 + 0.25
    return (weights / weights.mean()).float()


def train(
    model: UNet2DConditionModel,
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scenes: Scenes,
    latents: Latents,
    plan: Plan,
    run: Run,
) -> None:
    """Follow `plan`, changing `model` in place; goes on from what `run` has saved.

    The random numbers of a step depend on the plan's seed and the step's number alone.
    """
    model.to(memory_format=torch.channels_last).train()
    encoder.requires_grad_(requires_grad=False).eval()
    optimizer = Muon(model.named_parameters(), plan.rate, plan.adam_rate, _ADAM_NAMES)
    shares = signal_shares()
    weights, signal, noise_part = loss_weights(shares), shares.sqrt().float(), (1 - shares).sqrt().float()
    losses: list[float] = []
    started, first = time.process_time(), run.resume(model, optimizer)
    for step in range(first, min(plan.steps, run.stop_at or plan.steps)):
        clean, states = _batch(encoder, tokenizer, scenes, latents, plan, step)
        generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        timesteps = timesteps_of(len(clean), generator)
        noise = torch.randn(clean.shape, generator=generator)
        a, b = signal[timesteps].view(-1, 1, 1, 1), noise_part[timesteps].view(-1, 1, 1, 1)
        noisy = (a * clean + b * noise).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            guess = model(noisy, timesteps, states).sample
        off = (guess.float() - (a * noise - b * clean)).pow(2).mean((1, 2, 3))
        loss = (weights[timesteps] * off).mean()
        loss.backward()
        optimizer.step(factor(step, plan))
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            speed = (step + 1 - first) * plan.batch / (time.process_time() - started)
            run.note(f"step {step + 1} loss {np.mean(losses):.4f}, {speed:.1f} pictures per CPU s")
            losses.clear()
        if run.due(step + 1, plan.steps):
            run.save(model, optimizer, step + 1)
    model.eval()


def factor(step: int, plan: Plan) -> float:
    """Share of the learning rate at `step`."""
    share = float(np.interp(step, *zip(*plan.knots, strict=True)))
    return share * min(1.0, (step + 1) / plan.warm_up)


def _batch(
    encoder: CLIPTextModel,
    tokenizer: CLIPTokenizer,
    scenes: Scenes,
    latents: Latents,
    plan: Plan,
    step: int,
) -> tuple[Tensor, Tensor]:
    """Clean latents and the text states of their captions."""
    random = np.random.default_rng((plan.seed, step))
    drawn = [scenes.draw(random) for _ in range(plan.batch)]
    texts = []
    for scene in drawn:
        text, chance = caption(scene, random), random.random()
        if chance < plan.dropout:
            text = ""
        elif chance < plan.dropout + plan.unknown_words:
            text = with_unknown_word(text, random)
        texts.append(text)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        states = encoder(token_ids(tokenizer, texts)).last_hidden_state
    return latents.of(drawn), states


def timesteps_of(count: int, generator: torch.Generator) -> Tensor:
    """One timestep from each of `count` equal parts of the schedule, shuffled; int64."""
    parts = (torch.arange(count) + torch.rand(count, generator=generator)) / count
    shuffled = parts[torch.randperm(count, generator=generator)]
    return (shuffled * TIMESTEPS).long().clamp(0, TIMESTEPS - 1)
