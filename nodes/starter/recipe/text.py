"""Train the text encoder alone: from its states, linear heads must read concept, style, colour and background.

They read from the end token and from a random padding position, so that every position carries the whole prompt and
even uniform cross-attention steers the U-Net from its first step.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from nodes.starter.recipe.captions import caption, with_unknown_word
from nodes.starter.recipe.checkpoints import Run
from nodes.starter.recipe.concepts import COLOURS, CONCEPTS, PAPERS, STYLES
from nodes.starter.recipe.scenes import Scene, Scenes
from nodes.starter.recipe.tokenizer import LENGTH

_HEADS = (
    len(CONCEPTS) + 1,
    len(STYLES) + 1,
    len(COLOURS) + 1,
    len(PAPERS) + 1,
)  # the last of each but colour: not said


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast; `width` is the size of a state."""

    steps: int = 500
    batch: int = 96
    rate: float = 2e-3
    warm_up: int = 50
    width: int = 192
    seed: int = 4


def new(tokens: int, width: int) -> CLIPTextModel:
    """An untrained encoder of two layers; the last two of `tokens` are start and end."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=tokens,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=LENGTH,
            hidden_act="quick_gelu",
            bos_token_id=tokens - 2,
            eos_token_id=tokens - 1,
            pad_token_id=tokens - 1,
            projection_dim=width,
        )
    )


def token_ids(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """Ids padded with the end token; int64 (n, 77)."""
    return torch.tensor(
        tokenizer(texts, padding="max_length", max_length=LENGTH, truncation=True)["input_ids"]
    )


def train(scenes: Scenes, tokenizer: CLIPTokenizer, plan: Plan, run: Run) -> CLIPTextModel:
    """Train an encoder to tell scenes apart; deterministic for a plan."""
    torch.manual_seed(plan.seed)
    model = new(len(tokenizer), plan.width)
    heads = nn.Linear(plan.width, sum(_HEADS))
    weights = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=plan.rate, betas=(0.9, 0.98), weight_decay=1e-3)
    started = time.process_time()
    for step in range(plan.steps):
        random = np.random.default_rng((plan.seed, step))
        texts, labels = _examples(scenes, random, plan.batch)
        for group in optimizer.param_groups:
            group["lr"] = plan.rate * min(1.0, step / plan.warm_up) * max(0.02, 1 - step / plan.steps)
        ids = token_ids(tokenizer, texts)
        with torch.autocast("cpu", torch.bfloat16):
            states = model(ids).last_hidden_state
        outputs = heads(_read(states.float(), ids, random)).split(_HEADS, 1)
        loss = sum(F.cross_entropy(output, labels[:, column]) for column, output in enumerate(outputs))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            right = [(o.argmax(1) == labels[:, c]).float().mean().item() for c, o in enumerate(outputs)]
            shares = " ".join(f"{share:.3f}" for share in right)
            run.note(
                f"step {step + 1} loss {loss.item():.4f} right {shares}, {time.process_time() - started:.0f} CPU s"
            )
    return model.eval()


def _examples(scenes: Scenes, random: np.random.Generator, count: int) -> tuple[list[str], Tensor]:
    """Captions (a few empty, some with an unknown word) and their labels, int64 (count, 4)."""
    texts, labels = [], []
    for _ in range(count):
        scene = scenes.draw(random)
        text = caption(scene, random)
        chance = random.random()
        if chance < 0.01:
            texts.append("")
            labels.append((len(CONCEPTS), len(STYLES), 0, len(PAPERS)))
            continue
        texts.append(with_unknown_word(text, random) if chance < 0.09 else text)
        labels.append(_said(scene))
    return texts, torch.tensor(labels)


def _said(scene: Scene) -> tuple[int, int, int, int]:
    """What a caption of `scene` says, as one class per head."""
    style = scene.style if scene.says_style else len(STYLES)
    return scene.concept, style, scene.paint, scene.paper if scene.says_paper else len(PAPERS)


def _read(states: Tensor, ids: Tensor, random: np.random.Generator) -> Tensor:
    """One state of each caption: the end token's in a third, else that of a random padding position."""
    end = (ids == ids.max()).int().argmax(1).numpy()
    padding = end + (random.random(len(ids)) * (LENGTH - end)).astype(int)
    chosen = np.where(np.arange(len(ids)) % 3 == 0, end, padding)
    return states[torch.arange(len(ids)), torch.from_numpy(chosen)]
