"""Hooks: LoRAs that count only for the conditions that carry them."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from nodes.diffusion.guidance import Guided
from nodes.diffusion.hooks import passed_with, strength
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import (
    Clip,
    Cond,
    Difference,
    Hook,
    HookGroup,
    HookKeyframe,
    HookKeyframeGroup,
    LoraPatch,
    Model,
)
from tests.diffusion.models import tiny

LEVELS = from_betas(scaled_linear_betas())
LATENTS = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
CONTEXT = torch.randn(1, 7, tiny.CONTEXT, generator=torch.Generator().manual_seed(4))
EARLY, LATE = (torch.tensor(LEVELS.at_percent(share)) for share in (0.1, 0.9))


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
    chance = torch.Generator().manual_seed(5)
    parts = {"lora_A": torch.randn(4, 32, generator=chance), "lora_B": torch.randn(32, 4, generator=chance)}
    save_file(
        {f"{name}.{part}.weight": tensor for part, tensor in parts.items()}, tmp_path / "style.safetensors"
    )
    return tmp_path / "style.safetensors"


def test_only_what_carries_a_hook_is_computed_with_it(model_file, lora, placement, hashes: ContentHashes):
    model, file = Model(hashes.reference(model_file)), hashes.reference(lora)
    hooks = HookGroup((Hook(file, 0.5, 0.0),))
    with Pool(placement, 10**9).session() as models:
        network = models.network(model)
        plain = Guided(network, (Cond(CONTEXT),), (), 1.0)(LATENTS, EARLY)
        patched = models.network(model.patched(LoraPatch(file, 0.5)))
        expected = Guided(patched, (Cond(CONTEXT),), (), 1.0)(LATENTS, EARLY)
        guided = Guided(network, (Cond(CONTEXT, hooks=hooks),), (Cond(CONTEXT),), 3.0)
        positive, negative = guided.sides(LATENTS, EARLY, [guided.positive, guided.negative])
    assert torch.equal(positive, expected) and torch.equal(negative, plain)
    assert not torch.allclose(positive, negative)


def test_keyframes_change_how_strong_a_hook_is_on_one_copy_of_the_weights(
    model_file, lora, placement, hashes
):
    model, file = Model(hashes.reference(model_file)), hashes.reference(lora)
    keyframes = HookKeyframeGroup((HookKeyframe(1.0, 0.0), HookKeyframe(2.0, 0.5)))
    hooks = HookGroup((Hook(file, 0.25, 0.0, keyframes),))
    pool = Pool(placement, 10**9)
    with pool.session() as models:
        guided = Guided(models.network(model), (Cond(CONTEXT, hooks=hooks),), (), 1.0)
        made = [guided(LATENTS, sigma) for sigma in (EARLY, LATE)]
        assert len(pool.sources()) == 2
    for share, sigma, said in ((0.25, EARLY, made[0]), (0.5, LATE, made[1])):
        with Pool(placement, 10**9).session() as models:
            network = models.network(model.patched(LoraPatch(file, share)))
            assert torch.equal(said, Guided(network, (Cond(CONTEXT),), (), 1.0)(LATENTS, sigma))


@pytest.mark.parametrize(
    ("keyframes", "passed", "expected"),
    [
        ([], [10.0], 1.0),
        ([(0.5, 0.0, 1)], [10.0, 1.0], 0.5),
        ([(0.5, 0.5, 1)], [14.0], 0.5),  # before any: as the first
        ([(0.5, 0.0, 1), (2.0, 0.5, 0)], [14.0, 5.0], 0.5),
        ([(0.5, 0.0, 1), (2.0, 0.5, 0)], [14.0, 5.0, 0.5], 2.0),
        (
            [(0.5, 0.0, 1), (2.0, 0.3, 3), (3.0, 0.4, 0)],
            [14.0, 0.5],
            2.0,
        ),  # stops at one that is sure of steps
        ([(0.5, 0.0, 1), (2.0, 0.3, 3), (3.0, 0.4, 0)], [14.0, 0.5, 0.4, 0.3], 2.0),
        ([(0.5, 0.0, 1), (2.0, 0.3, 3), (3.0, 0.4, 0)], [14.0, 0.5, 0.4, 0.3, 0.2], 3.0),
    ],
)
def test_how_strong_a_hook_is_over_a_run(keyframes, passed, expected):
    made = [HookKeyframe(share, start, guaranteed) for share, start, guaranteed in keyframes]
    assert strength(made, LEVELS, passed) == expected


def test_a_higher_sigma_begins_a_new_run():
    passed: list[float] = []
    for sigma in (14.0, 14.0, 7.0, 7.0, 1.0):
        passed = passed_with(passed, sigma)
    assert passed == [14.0, 7.0, 1.0] and passed_with(passed, 14.0) == [14.0]


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another checkpoint of the family: every weight of network and text encoder is another."""
    path = tiny.original_file(tmp_path / "other.safetensors")
    chance = torch.Generator().manual_seed(9)
    drawn = {
        name: tensor + 0.1 * torch.randn(tensor.shape, generator=chance)
        for name, tensor in load_file(path).items()
    }
    save_file(drawn, path)
    return path


@pytest.mark.parametrize("share", [0.25, -0.5])
def test_another_checkpoint_counts_by_what_it_is_beyond_the_model(
    model_file, other, lora, placement, hashes: ContentHashes, share: float
):
    style = LoraPatch(hashes.reference(lora), 0.5)
    model = Model(hashes.reference(model_file)).patched(style)
    hooks = HookGroup((Hook(hashes.reference(other), share, share, whole=True),))
    with Pool(placement, 10**9).session() as models:
        guided = Guided(models.network(model), (Cond(CONTEXT, hooks=hooks),), (Cond(CONTEXT),), 3.0)
        positive, negative = guided.sides(LATENTS, EARLY, [guided.positive, guided.negative])
        plain = Guided(models.network(model), (Cond(CONTEXT),), (), 1.0)(LATENTS, EARLY)
        read = models.encode(replace(Clip(model.checkpoint), patches=hooks.at(0.0)), "a cat").context
    assert torch.equal(negative, plain)
    mine, theirs = load_file(model_file), load_file(other)
    mixed = {name: tensor + share * (theirs[name] - tensor) for name, tensor in mine.items()}
    save_file(mixed, other.with_name("mixed.safetensors"))
    mix = Model(hashes.reference(other.with_name("mixed.safetensors"))).patched(style)
    with Pool(placement, 10**9).session() as models:
        expected = Guided(models.network(mix), (Cond(CONTEXT),), (), 1.0)(LATENTS, EARLY)
        said = models.encode(Clip(mix.checkpoint), "a cat").context
    torch.testing.assert_close(positive, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(read, said, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(positive, plain, atol=1e-2)


def test_the_same_checkpoint_adds_nothing(model_file, placement, hashes: ContentHashes):
    model = Model(hashes.reference(model_file))
    with Pool(placement, 10**9).session() as models:
        guided = Guided(models.network(model), (Cond(CONTEXT),), (), 1.0)
        plain = guided(LATENTS, EARLY)
        changed = models.network(model.patched(Difference(model.checkpoint, 1.0)))
        assert torch.equal(Guided(changed, (Cond(CONTEXT),), (), 1.0)(LATENTS, EARLY), plain)
