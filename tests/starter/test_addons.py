"""What comes beside the starter model: trained in miniature, written as people have such files, read by our own loaders."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from nodes import starter
from nodes.diffusion.lora_files import Strong, read_lora
from nodes.diffusion.lora_names import NETWORK_PREFIXES
from nodes.diffusion.models.families.unets import SD1
from nodes.diffusion.models.load import Placement, load_control, original_places
from nodes.diffusion.patches import Patcher
from nodes.starter.recipe import addons, low_rank, measure, pairs, sample
from nodes.starter.recipe.addons import Plan
from nodes.starter.recipe.icons import SIZE
from nodes.starter.recipe.stages import Work

PLAN = Plan(steps=2, rate=1e-2, batch=2, warm_up=1)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def parts() -> sample.Model:
    return sample.load(starter.path())


def work(folder: Path) -> Work:
    """A work folder whose pairs are four noisy pictures with a square's edges."""
    random = np.random.default_rng(0)
    edges = np.zeros((4, SIZE, SIZE), np.uint8)
    edges[:, 30:90, 30] = edges[:, 30:90, 90] = 1
    made = pairs.Pairs(
        random.normal(size=(4, 4, 16, 16)).astype(np.float16),
        ["a fox, ink style", "an apple", "a fish", "a lion"],
        np.packbits(edges.reshape(4, -1), axis=1),
    )
    for name in ("ink", "edges"):
        pairs.save(made, folder / name / "pairs.npz")
    return Work(folder)


def inputs(parts: sample.Model) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    width = parts.unet.config.cross_attention_dim
    chance = torch.Generator().manual_seed(3)
    return (
        torch.randn(1, 4, 16, 16, generator=chance),
        torch.tensor([500]),
        torch.randn(1, 77, width, generator=chance),
    )


@pytest.mark.parametrize(("train", "file"), [(addons.train_ink, addons.INK_FILE), (addons.train_edges, "")])
def test_a_training_that_was_cut_off_ends_with_the_same_bytes(train, file, tmp_path):
    for name, cuts in (("whole", (None,)), ("cut", (1, None))):
        for cut in cuts:
            train(work(tmp_path / name), tmp_path / name / "out", PLAN, cut)
    place = file or f"{addons.EDGES_FOLDER}/diffusion_pytorch_model.safetensors"
    whole, cut = (load_file(tmp_path / name / "out" / place) for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all(torch.equal(whole[name], cut[name]) for name in whole)
    assert any(
        tensor.abs().max() > 0
        for name, tensor in whole.items()
        if ".lora_up" in name or "controlnet_" in name
    )


@torch.no_grad()
def test_the_style_file_put_on_by_our_loader_is_the_network_that_was_trained(tmp_path):
    trained, plain = sample.load(starter.path()), sample.load(starter.path())
    asked = inputs(trained)
    untouched = plain.unet(*asked).sample
    changed = low_rank.change(trained.unet, rank=4)
    torch.testing.assert_close(trained.unet(*asked).sample, untouched, rtol=0, atol=0)
    for layer in changed.values():
        layer.up.data = torch.randn(layer.up.shape, generator=torch.Generator().manual_seed(1)) * 0.02
        layer.up.data, layer.down.data = layer.up.half().float(), layer.down.half().float()
    low_rank.write(changed, tmp_path / "style.safetensors", low_rank.about(pairs.TRIGGER, 4, 7))
    patcher = Patcher(plain.unet, NETWORK_PREFIXES, places=original_places(SD1, plain.unet))
    patcher.put_on([Strong(read_lora(tmp_path / "style.safetensors"), 1.0)])
    assert patcher.unmatched == ()
    wanted = trained.unet(*asked).sample
    assert (wanted - untouched).abs().max() > 0.05
    torch.testing.assert_close(plain.unet(*asked).sample, wanted, rtol=1e-4, atol=1e-4)
    with safe_open(tmp_path / "style.safetensors", "pt") as file:
        assert file.metadata()["modelspec.trigger_phrase"] == pairs.TRIGGER


@torch.no_grad()
def test_an_untrained_net_of_edges_changes_nothing_and_a_written_one_reads_back(parts, tmp_path):
    net = addons.new_edges(parts.unet)
    noisy, timestep, states = inputs(parts)
    hint = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))
    down, middle = net(noisy, timestep, states, hint, return_dict=False)
    assert not any(part.any() for part in (*down, middle))
    net.save_pretrained(tmp_path / "net")
    again = load_control(tmp_path / "net", Placement(torch.device("cpu"), torch.float32, torch.float32))
    wanted = net.state_dict()
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in again.module.state_dict().items())


def test_edges_of_pairs_come_back_as_they_were_found():
    picture = np.full((1, SIZE, SIZE, 3), 255, np.float32)
    picture[:, 40:80, 40:80] = 0
    packed = pairs.packed_edges(picture)
    hint = pairs.Pairs(np.zeros((1, 4, 16, 16), np.float16), ["a"], packed).hints(np.array([0]))
    assert hint.shape == (1, 3, SIZE, SIZE)
    assert set(hint.unique().tolist()) == {0.0, 1.0}
    rows, columns = np.where(hint[0, 0].numpy() > 0)
    assert {rows.min(), columns.min()} <= {38, 39, 40, 41} and {rows.max(), columns.max()} <= {78, 79, 80, 81}


def test_every_tenth_concept_is_kept_for_measuring():
    kept = [number for number in range(120) if pairs.is_held_out(number)]
    assert len(kept) == 12


def test_the_shipped_style_draws_ink_on_cream_paper_and_none_without_it():
    prompts = ["a fox, ink style", "a house, ink style"]
    without, whole = (measure.inked(strength, prompts, steps=8) for strength in (0.0, 1.0))
    assert measure.off_paper(whole) < 12 < measure.off_paper(without)


def test_the_shipped_net_keeps_to_the_edges_of_a_picture_that_other_noise_does_not():
    first = sample.draw(sample.load(starter.path()), ["an apple", "a fox"], [31, 32], steps=8)
    packed = pairs.packed_edges(np.stack(first).astype(np.float32))
    hints = pairs.Pairs(np.zeros(0), [], packed).hints(np.arange(2))
    prompts = ["a pumpkin", "a cat"]
    free, along = (
        measure.followed(np.stack(measure.led(strength, prompts, hints, steps=8)), hints)
        for strength in (0.0, 1.0)
    )
    assert along > 0.8 and along > free + 0.2


def test_what_comes_along_is_small_and_says_how_it_is_called():
    files = [
        starter.path().parent / addons.INK_FILE,
        *(starter.path().parent / addons.EDGES_FOLDER).iterdir(),
    ]
    assert {file.name for file in files} == {
        addons.INK_FILE,
        "config.json",
        "diffusion_pytorch_model.safetensors",
    }
    assert all(file.stat().st_size < 8 * 2**20 for file in files)
    with safe_open(files[0], "pt") as file:
        assert file.metadata()["modelspec.trigger_phrase"] == pairs.TRIGGER
