"""Train what comes beside the starter model: a style (LoRA) and a net that follows edges (ControlNet).

`python -m nodes.starter.recipe.addons WORK FOLDER [--only ink|edges]` writes both into FOLDER. It needs what the recipe
needs; the shipped model is its start. A run that was cut off goes on where it was.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import Tensor, nn

from nodes import starter
from nodes.starter.recipe import drawings, low_rank, pairs, sample, unet
from nodes.starter.recipe.checkpoints import Optimizer, Run
from nodes.starter.recipe.muon import Muon
from nodes.starter.recipe.pairs import Pairs
from nodes.starter.recipe.stages import Work, draw
from nodes.starter.recipe.text import token_ids

INK_FILE, EDGES_FOLDER = "weft-starter-ink.safetensors", "weft-starter-edges"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast; the rate falls to nothing in straight lines over the last six tenths."""

    steps: int
    rate: float
    batch: int = 32
    warm_up: int = 40
    dropout: float = 0.1  # share of captions left out
    seed: int = 21

    def factor(self, step: int) -> float:
        """Share of the rate at `step`."""
        return min(1.0, (step + 1) / self.warm_up, (self.steps - step) / (0.6 * self.steps))


INK = Plan(steps=600, rate=2e-3)
EDGES = Plan(steps=1500, rate=2e-3, dropout=0.3)
RANK, PICTURES = 16, 3000

_Ask = Callable[[Tensor, Tensor, Tensor, np.ndarray], Tensor]
_Step = Callable[[float], None]


def train(
    ask: _Ask,
    model: nn.Module,
    optimizer: Optimizer,
    step_by: _Step,
    learned: Pairs,
    parts: sample.Model,
    plan: Plan,
    run: Run,
) -> None:
    """Follow `plan` with the recipe's loss; the random numbers of a step depend on the seed and its number alone.

    Args:
        ask: noisy latents, timesteps, text states and rows of `learned` to a v prediction.
        step_by: changes the weights by their gradients, with rates times its argument.
    """
    shares = unet.signal_shares()
    weights, signal, noisiness = (
        unet.loss_weights(shares),
        shares.sqrt().float(),
        (1 - shares).sqrt().float(),
    )
    losses: list[float] = []
    started, first = time.process_time(), run.resume(model, optimizer)
    for step in range(first, min(plan.steps, run.stop_at or plan.steps)):
        random = np.random.default_rng((plan.seed, step))
        rows = random.integers(len(learned.texts), size=plan.batch)
        texts = ["" if random.random() < plan.dropout else learned.texts[row] for row in rows]
        generator = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        clean = learned.clean(rows)
        timesteps = unet.timesteps_of(plan.batch, generator)
        noise = torch.randn(clean.shape, generator=generator)
        a, b = (part[timesteps].view(-1, 1, 1, 1) for part in (signal, noisiness))
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                states = parts.encoder(token_ids(parts.tokenizer, texts)).last_hidden_state
            noisy = (a * clean + b * noise).contiguous(memory_format=torch.channels_last)
            guess = ask(noisy, timesteps, states, rows)
        off = (guess.float() - (a * noise - b * clean)).pow(2).mean((1, 2, 3))
        (weights[timesteps] * off).mean().backward()
        step_by(plan.factor(step))
        losses.append(off.mean().item())
        if (step + 1) % 50 == 0:
            spent = time.process_time() - started
            run.note(f"step {step + 1} loss {np.mean(losses):.4f}, {spent:.0f} CPU s in this call")
            losses.clear()
        if run.due(step + 1, plan.steps):
            run.save(model, optimizer, step + 1)


def train_ink(work: Work, folder: Path, plan: Plan = INK, stop_at: int | None = None) -> None:
    """Train the style and write its file; `stop_at` cuts this call short."""
    parts = sample.load(starter.path())
    prepared = work.folder / "ink" / "pairs.npz"
    if not prepared.exists():
        pairs.save(pairs.ink_pairs(work.folder / "packages", parts.autoencoder), prepared)
    learned = pairs.load(prepared)
    network = parts.unet.to(memory_format=torch.channels_last).train()
    changed = nn.ModuleDict(
        {name.replace(".", "/"): layer for name, layer in low_rank.change(network, RANK).items()}
    )
    trained = nn.ParameterList([part for layer in changed.values() for part in (layer.down, layer.up)])
    optimizer = torch.optim.AdamW(trained, lr=plan.rate, betas=(0.9, 0.98), weight_decay=0.0)

    def step_by(factor: float) -> None:
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * factor
        optimizer.step()
        optimizer.zero_grad()

    def ask(noisy: Tensor, timesteps: Tensor, states: Tensor, _rows: np.ndarray) -> Tensor:
        return network(noisy, timesteps, states).sample

    run = Run(work.folder / "ink", save_every=100, stop_at=stop_at)
    train(ask, trained, optimizer, step_by, learned, parts, plan, run)
    named = {name.replace("/", "."): layer for name, layer in changed.items()}
    low_rank.write(named, folder / INK_FILE, low_rank.about(pairs.TRIGGER, RANK, len(learned.texts)))


def new_edges(network: UNet2DConditionModel) -> ControlNetModel:
    """An untrained net that follows edges: the way down of the U-Net without its attention, and nothing at its ends."""
    torch.manual_seed(0)
    settings = network.config
    made = ControlNetModel(
        in_channels=settings.in_channels,
        conditioning_channels=3,
        down_block_types=("DownBlock2D",) * 3,
        mid_block_type="UNetMidBlock2D",
        block_out_channels=tuple(settings.block_out_channels),
        layers_per_block=settings.layers_per_block,
        norm_num_groups=settings.norm_num_groups,
        cross_attention_dim=settings.cross_attention_dim,
        attention_head_dim=settings.attention_head_dim,
        conditioning_embedding_out_channels=(16, 32, 64, 96),
    )
    own = network.state_dict()
    made.load_state_dict({name: own[name] for name in made.state_dict() if name in own}, strict=False)
    return made


def train_edges(work: Work, folder: Path, plan: Plan = EDGES, stop_at: int | None = None) -> None:
    """Train the net that follows edges and write its folder; `stop_at` cuts this call short."""
    parts = sample.load(starter.path())
    prepared = work.folder / "edges" / "pairs.npz"
    if not prepared.exists():
        draw(work)
        drawn = drawings.load(work.folder / "drawings")
        pairs.save(pairs.edge_pairs(drawn, parts.autoencoder, PICTURES), prepared)
    learned = pairs.load(prepared)
    network = parts.unet.to(memory_format=torch.channels_last).requires_grad_(requires_grad=False)
    made = new_edges(network).to(memory_format=torch.channels_last).train()
    names = ("conv_in", "time_emb", "controlnet_down_blocks", "controlnet_mid_block", "cond_embedding")
    optimizer = Muon(made.named_parameters(), plan.rate, plan.rate, names)

    def ask(noisy: Tensor, timesteps: Tensor, states: Tensor, rows: np.ndarray) -> Tensor:
        down, middle = made(noisy, timesteps, states, learned.hints(rows), return_dict=False)
        return network(
            noisy,
            timesteps,
            states,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample

    run = Run(work.folder / "edges", save_every=100, stop_at=stop_at)
    train(ask, made, optimizer, optimizer.step, learned, parts, plan, run)
    made.eval().half().save_pretrained(folder / EDGES_FOLDER)


def main() -> None:
    """Read the command line and train what is not trained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder for data and training states")
    parser.add_argument("folder", type=Path, help="folder to write both to")
    parser.add_argument("--only", choices=("ink", "edges"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name, stage in (("ink", train_ink), ("edges", train_edges)):
        if given.only in (None, name):
            stage(Work(given.work), given.folder)


if __name__ == "__main__":
    main()
