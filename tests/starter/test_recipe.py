"""The recipe in miniature, on made-up drawings: every stage runs, repeats, and goes on exactly where it was cut off."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from nodes.starter.recipe import autoencoder, colours, drawings, judge, text, thumbnail, unet
from nodes.starter.recipe.concepts import COLOUR_INDEX, COLOURS, CONCEPTS, PAPERS, STYLES
from nodes.starter.recipe.muon import orthogonalised
from nodes.starter.recipe.scenes import Scenes, kept_papers, usual_paper
from nodes.starter.recipe.stages import (
    Phase,
    Recipe,
    Work,
    encode,
    train_autoencoder,
    train_decoder,
    train_text,
    train_unet,
    write_model,
)

_SIDE = 32
_MINIATURE = Recipe(
    channels=(12, 12, 12, 12),
    text_plan=text.Plan(steps=2, batch=8, warm_up=1),
    whole_plan=replace(autoencoder.whole_plan(2), crop_steps=1, crop=16, batch=2, crop_batch=2),
    decoder_plans=((2, replace(autoencoder.decoder_plan(2), batch=2)),),
    unet_plan=unet.Plan(batch=2),
    phases=(
        Phase(1, plain=True, focus=1.0, knots=((1, 1.0), (2, 0.0))),
        Phase(2, plain=False, focus=2.0, knots=((1, 1.0), (2, 0.0))),
    ),
)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def made_up_drawings() -> drawings.Drawings:
    """Two concepts in two styles: discs in every paint, nothing else."""
    shape = (len(CONCEPTS), len(STYLES))
    pictures = np.zeros((*shape, 1 + len(COLOURS), _SIDE, _SIDE, 4), np.uint8)
    present = np.zeros(shape, bool)
    present[:2, :2] = True
    for concept, style in np.argwhere(present):
        disc = _disc(6 + 3 * concept + style)
        pictures[concept, style] = np.stack([disc, *(_painted(disc, colour) for colour in COLOURS)])
    return drawings.Drawings(pictures, present, np.zeros(shape, bool))


def _disc(radius: int) -> np.ndarray:
    rows, columns = np.mgrid[:_SIDE, :_SIDE] - _SIDE / 2
    inside = (rows**2 + columns**2 < radius**2)[..., None]
    return np.where(inside, np.array([200, 40, 30, 255]), 0).astype(np.uint8)


def _painted(drawing: np.ndarray, colour) -> np.ndarray:
    scaled = drawing.astype(np.float64) / 255
    return (colours.repaint(scaled, colours.anatomy(scaled), colour) * 255).round().astype(np.uint8)


def _train(folder: Path) -> Path:
    work = Work(folder)
    drawings.save(made_up_drawings(), folder / "drawings")
    train_text(_MINIATURE, work)
    train_autoencoder(_MINIATURE, work)
    encode(work, plain=True)
    encode(work, plain=False)
    train_unet(_MINIATURE, work, stop_at=1)
    train_unet(_MINIATURE, work)
    train_decoder(_MINIATURE, work)
    write_model(work, folder / "packed")
    return folder / "packed"


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_the_whole_recipe_twice_gives_the_same_bytes(tmp_path):
    first, second = _bytes(_train(tmp_path / "first")), _bytes(_train(tmp_path / "second"))
    assert set(first) >= {"model_index.json", "scheduler/scheduler_config.json", "tokenizer/merges.txt"}
    assert first == second


def test_a_run_cut_off_ends_with_the_same_weights_as_one_that_was_not(tmp_path):
    weights = []
    for name, cuts in (("whole", (None,)), ("cut", (1, 2, None))):
        for cut in cuts:
            model = autoencoder.new(_MINIATURE.channels)
            plan = replace(_MINIATURE.whole_plan, steps=3)
            autoencoder.train(
                model, made_up_drawings(), plan, autoencoder.Run(tmp_path / name, 1, stop_at=cut)
            )
        weights.append(model.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_an_untrained_autoencoder_already_gives_back_a_blurred_picture():
    torch.manual_seed(0)
    model = thumbnail.build((16, 16, 16, 16))
    thumbnail.start_as_thumbnail(model)
    picture = torch.linspace(-0.8, 0.8, 64).expand(1, 3, 64, 64)
    with torch.no_grad():
        again = model.decode(model.encode(picture).latent_dist.mean).sample
    assert (again - picture)[..., 8:-8, 8:-8].abs().mean() < 0.1


def test_training_the_decoder_leaves_the_encoder_as_it_was(tmp_path):
    model = autoencoder.new(_MINIATURE.channels)
    before = {name: weight.clone() for name, weight in model.encoder.state_dict().items()}
    autoencoder.train(model, made_up_drawings(), _MINIATURE.decoder_plans[0][1], autoencoder.Run(tmp_path))
    assert all(torch.equal(before[name], weight) for name, weight in model.encoder.state_dict().items())


@pytest.mark.parametrize("word", ["red", "orange", "yellow", "green", "blue", "purple", "pink"])
def test_a_repainted_disc_has_the_colour_asked_for(word):
    wanted = COLOURS[COLOUR_INDEX[word]]
    painted = _painted(_disc(10), wanted)[_SIDE // 2, _SIDE // 2, :3] / 255
    hue, saturation, value = (float(part) for part in colours.to_hsv(painted))
    assert abs((hue - wanted.hsv[0] + 0.5) % 1 - 0.5) < 0.02
    assert saturation == pytest.approx(wanted.hsv[1], abs=0.1)
    assert value == pytest.approx(wanted.hsv[2], abs=0.1)


def test_hsv_there_and_back_changes_nothing():
    values = np.random.default_rng(0).random((50, 3))
    assert np.allclose(colours.from_hsv(*colours.to_hsv(values)), values)


def test_no_scene_lays_a_colour_on_itself_and_every_scene_drawn_exists():
    made = made_up_drawings()
    kept, scenes, random = kept_papers(made), Scenes(made), np.random.default_rng(0)
    for paint, colour in enumerate(COLOURS, start=1):
        same = [index for index, paper in enumerate(PAPERS) if paper.word == colour.word]
        assert not kept[:, :, paint, same].any()
        assert PAPERS[usual_paper(paint, pale=False)].word == ("blue" if colour.word == "white" else "white")
    for _ in range(200):
        scene = scenes.draw(random)
        assert kept[scene.concept, scene.style, scene.paint, scene.paper]


def test_the_signal_falls_to_nothing_and_the_loss_counts_every_timestep():
    shares = unet.signal_shares()
    assert (shares.diff() < 0).all()
    assert float(shares[-1]) == pytest.approx(0, abs=1e-12)
    assert float(unet.loss_weights(shares).min()) > 0


def test_the_rate_is_level_then_falls_to_zero():
    plan = unet.Plan(knots=((60, 1.0), (100, 0.0)), warm_up=10)
    rates = [unet.factor(step, plan) for step in range(100)]
    assert rates[10:60] == [1.0] * 50
    assert all(later < earlier for earlier, later in pairwise(rates[60:]))
    assert rates[-1] < 0.03


def test_orthogonalising_brings_singular_values_near_one():
    matrix = torch.randn(24, 60, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() > 0.5 and values.max() < 1.4


@pytest.mark.parametrize(
    ("prompt", "concept", "colour", "answer", "right"),
    [
        ("a blue fish", "fish", "blue", "blue fish", True),
        ("a blue fish", "fish", "blue", "fish", False),
        ("a blue fish", "fish", "blue", "green fish", False),
        ("an apple", "apple", None, "pineapple", False),
        ("a cherry", "cherry", None, "red cherries", True),
        ("a gift", "gift", None, "a wrapped present", True),
        ("a purple mushroom", "mushroom", "purple", "violet toadstool", True),
    ],
)
def test_an_answer_counts_if_it_names_the_object_and_the_colour_asked_for(
    prompt, concept, colour, answer, right
):
    assert judge.is_right(judge.Entry("A1", prompt, 1, concept, colour), answer) is right


def test_the_naming_test_shows_48_pictures_of_prompts_and_every_concept_once():
    listed = judge.entries()
    assert sum(entry.label.startswith("A") for entry in listed) == 48
    assert sorted(e.concept for e in listed if e.label.startswith("B")) == sorted(c.name for c in CONCEPTS)
    assert listed == judge.entries()
