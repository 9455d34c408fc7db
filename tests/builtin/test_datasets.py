"""Sets of pictures and of training data: what is written is read again."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image as Pillow

from nodes.builtin.datasets import (
    load_image_dataset,
    load_image_text_dataset,
    save_image_dataset,
    save_image_text_dataset,
)
from nodes.builtin.training import loss_graph
from nodes.builtin.training_files import load_training_dataset, save_training_dataset
from nodes.diffusion.values import CheckpointRef, Cond, ControlNet, ControlUse, Latent
from nodes.spec import NodeError, Result
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    return Surroundings(Workspace(tmp_path))


def test_pictures_are_loaded_with_their_captions_as_often_as_their_folder_says(ctx: Surroundings):
    folder = ctx.files.root / "input" / "cats"
    (folder / "3_black").mkdir(parents=True)
    for name, colour in (("b.png", "red"), ("a.PNG", "blue"), ("3_black/c.webp", "black")):
        Pillow.new("RGB", (4, 6), colour).save(folder / name, lossless=True)
    (folder / "b.txt").write_text(" a red one\n", encoding="utf-8")
    (folder / "3_black" / "c.txt").write_text("une noire é", encoding="utf-8")
    (folder / "notes.md").write_text("no picture")
    assert ctx.files.choices("input_folders") == ["cats"]
    images = load_image_dataset.run(ctx, folder="cats")
    assert [image.shape for image in images] == [(1, 6, 4, 3)] * 2  # type: ignore[union-attr]
    images, texts = load_image_text_dataset.run(ctx, folder="cats")  # type: ignore[misc]
    assert texts == ["", "a red one", "une noire é", "une noire é", "une noire é"]
    assert [tuple(image[0, 0, 0].tolist()) for image in images[:3]] == [(0, 0, 1), (1, 0, 0), (0, 0, 0)]


def test_an_empty_folder_and_a_damaged_picture_are_named(ctx: Surroundings):
    folder = ctx.files.root / "input" / "odd"
    folder.mkdir()
    with pytest.raises(NodeError, match="odd holds no pictures"):
        load_image_text_dataset.run(ctx, folder="odd")
    (folder / "x.png").write_bytes(b"no picture")
    with pytest.raises(NodeError, match=r"odd/x\.png cannot be read"):
        load_image_dataset.run(ctx, folder="odd")


def test_saved_sets_replace_older_ones_and_never_leave_the_output_folder(ctx: Surroundings):
    folder = ctx.files.root / "output" / "sets" / "one"
    pictures = [torch.rand(2, 4, 5, 3), torch.zeros(1, 4, 5, 4)]
    for _ in range(2):
        save_image_dataset.run(ctx, images=pictures, folder_name=["sets/one"], filename_prefix=["cat"])
    assert sorted(path.name for path in folder.iterdir()) == [f"cat_0000{n}.png" for n in range(3)]
    with Pillow.open(folder / "cat_00002.png") as opened:
        assert opened.mode == "RGBA" and not opened.text  # type: ignore[attr-defined]
    texts = ["a", "b", "é"]
    save_image_text_dataset.run(ctx, images=pictures, texts=texts, folder_name=["two"], filename_prefix=["x"])
    assert (ctx.files.root / "output" / "two" / "x_00002.txt").read_text("utf-8") == "é"
    with pytest.raises(NodeError, match="3 pictures and texts 1"):
        save_image_text_dataset.run(
            ctx, images=pictures, texts=["a"], folder_name=["two"], filename_prefix=["x"]
        )
    with pytest.raises(NodeError, match="leads out"):
        save_image_dataset.run(ctx, images=pictures, folder_name=["../up"], filename_prefix=["cat"])


def test_training_data_is_read_as_it_was_written(ctx: Surroundings):
    latents = [
        Latent(torch.randn(1, 4, 2, 3), batch_index=(7,)),
        Latent(torch.randn(2, 4, 2, 3)),
        Latent(torch.ones(1, 4, 1, 1)),
    ]
    pooled = Cond(torch.randn(1, 5, 8), torch.randn(1, 8), extra={"width": 64})
    conds = [(pooled,), (Cond(torch.zeros(1, 5, 8)), pooled), (pooled,)]
    save_training_dataset.run(ctx, latents=latents, conditioning=conds, folder_name=["set"], shard_size=[2])
    folder = ctx.files.root / "output" / "set"
    assert json.loads((folder / "metadata.json").read_text()) == {
        "num_samples": 3,
        "num_shards": 2,
        "shard_size": 2,
    }
    before = load_training_dataset.change_token(ctx, folder_name="set")  # type: ignore[misc]
    read, said = load_training_dataset.run(ctx, folder_name="set")  # type: ignore[misc]
    assert all(torch.equal(one.samples, other.samples) for one, other in zip(read, latents, strict=True))
    assert read[0].batch_index == (7,) and read[1].batch_index is None
    assert [len(entries) for entries in said] == [1, 2, 1]
    assert torch.equal(said[2][0].pooled, pooled.pooled) and said[2][0].extra == {"width": 64}
    (folder / "shard_0001.pkl").write_bytes(b"garbage")
    assert load_training_dataset.change_token(ctx, folder_name="set") != before  # type: ignore[misc]
    with pytest.raises(NodeError, match=r"shard_0001\.pkl cannot be read"):
        load_training_dataset.run(ctx, folder_name="set")


class Deadly:
    def __reduce__(self):
        return (print, ("run",))


def test_training_data_runs_nothing_and_refuses_what_it_cannot_keep(
    ctx: Surroundings, capsys: pytest.CaptureFixture[str]
):
    folder = ctx.files.root / "output" / "bad"
    folder.mkdir()
    torch.save({"latents": [Deadly()], "conditioning": []}, folder / "shard_0000.pkl")
    with pytest.raises(NodeError, match="could run code"):
        load_training_dataset.run(ctx, folder_name="bad")
    assert not capsys.readouterr().out
    net = ControlUse(ControlNet(CheckpointRef(folder, "x")), torch.zeros(1, 8, 8, 3))
    with pytest.raises(NodeError, match="controls, which a training set cannot keep"):
        save_training_dataset.run(
            ctx,
            latents=[Latent(torch.zeros(1, 4, 1, 1))],
            conditioning=[(Cond(torch.zeros(1, 5, 8), controls=(net,)),)],
            folder_name=["set"],
            shard_size=[2],
        )


@pytest.mark.parametrize("losses", [[1.0, 0.5, 0.25], [2.0, 2.0], [3.0]])
def test_losses_are_drawn(ctx: Surroundings, losses: list[float]):
    result = loss_graph.run(ctx, loss={"loss": losses})
    assert isinstance(result, Result) and result.ui
    with Pillow.open(ctx.files.root / "temp" / result.ui["images"][0]["filename"]) as opened:  # type: ignore[index, call-overload]
        assert opened.size == (840, 520)
        assert (0, 0, 255) in {colour for _, colour in opened.convert("RGB").getcolors(99999)}  # type: ignore[union-attr]


@pytest.mark.parametrize("losses", [[], [1.0, float("nan")]])
def test_losses_that_are_no_numbers_are_refused(ctx: Surroundings, losses: list[float]):
    with pytest.raises(NodeError, match="loss holds"):
        loss_graph.run(ctx, loss={"loss": losses})
