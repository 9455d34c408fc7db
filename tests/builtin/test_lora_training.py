"""LoRAs trained: the loss falls, the model is what it was, and the file says what the memory says."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nodes.builtin.lora import lora_loader_model_only
from nodes.builtin.lora_training import lora_model_loader, save_lora, train_lora
from nodes.builtin.storage import ResultCodec
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Cond, Latent, LoraTensors, Model
from nodes.spec import NodeError, Result
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models import tiny

KINDS = ("LoRA", "LoHa", "LoKr", "OFT")


@dataclass(frozen=True)
class Course:
    """What one training gave."""

    ctx: Surroundings
    model: Model
    trained: Model
    lora: LoraTensors
    losses: list[float]
    steps: int


def train(ctx: Surroundings, model: Model, **settings: object) -> Course:
    usual = {
        "batch_size": 1, "grad_accumulation_steps": 1, "steps": 3, "learning_rate": 0.002, "rank": 4,
        "optimizer": "AdamW", "loss_function": "MSE", "seed": 3, "training_dtype": "fp32", "lora_dtype": "fp32",
        "algorithm": "LoRA", "gradient_checkpointing": False, "existing_lora": "[None]", "bucket_mode": False,
        "latents": Latent(torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))),
        "positive": (Cond(torch.ones(1, 4, tiny.CONTEXT)),),
    }  # fmt: skip
    given = {
        name: value if isinstance(value, list) else [value] for name, value in (usual | settings).items()
    }
    trained, lora, losses, steps = train_lora.run(ctx, model=[model], **given)  # type: ignore[misc]
    return Course(ctx, model, trained, lora, losses["loss"], steps)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> tuple[Surroundings, Model]:
    folder = tmp_path_factory.mktemp("training")
    hashes = ContentHashes()
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    ctx = Surroundings(Workspace(folder), {Pool: Pool(placement, 10**9), ContentHashes: hashes})
    return ctx, Model(hashes.reference(tiny.original_file(folder / "one.safetensors")))


@pytest.fixture(scope="module")
def course(there: tuple[Surroundings, Model]) -> Course:
    return train(*there, steps=4, gradient_checkpointing=True)


def answer(ctx: Surroundings, model: Model) -> torch.Tensor:
    with ctx.resource(Pool).session() as loaded:
        network = loaded.network(model)
        latents = torch.linspace(-1, 1, 256).reshape(1, 4, 8, 8)
        return network(latents, torch.tensor([500]), torch.ones(1, 4, tiny.CONTEXT))


def test_what_is_learned_is_seen_and_the_model_itself_is_what_it_was(course: Course):
    before = answer(course.ctx, course.model)
    again = train(course.ctx, course.model, steps=1)
    assert torch.equal(answer(course.ctx, course.model), before)
    assert not torch.allclose(answer(course.ctx, course.trained), before, atol=1e-3)
    assert len(course.losses) == course.steps == 4
    assert again.losses[0] == pytest.approx(course.losses[0], rel=1e-4)  # with and without saving memory


def test_the_same_latents_under_the_same_noise_are_told_better_afterwards(course: Course):
    loader = lora_model_loader.run(course.ctx, model=course.model, lora=course.lora, strength_model=1.0)
    assert isinstance(loader, Model)
    assert loader == course.trained
    after = train(course.ctx, loader, steps=4, learning_rate=1e-7)
    assert sum(after.losses) < 0.98 * sum(course.losses)
    assert (
        lora_model_loader.run(course.ctx, model=course.model, lora=course.lora, strength_model=0.0)
        == course.model
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_lora_does_what_the_one_in_memory_does(there: tuple[Surroundings, Model], kind: str):
    ctx, model = there
    course = train(ctx, model, algorithm=kind, steps=1)
    assert isinstance(save_lora.run(ctx, lora=course.lora, prefix=f"loras/{kind}", steps=2), Result)
    (path,) = (ctx.files.root / "output" / "loras").glob(f"{kind}_2_steps_00001_.safetensors")
    stored = load_file(path)
    assert all(name.startswith("diffusion_model.") for name in stored)
    folder: Path = ctx.files.root / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    path.rename(folder / path.name)
    read = lora_loader_model_only.run(ctx, model=model, lora_name=path.name, strength_model=1.0)
    assert isinstance(read, Model)
    changed = answer(ctx, course.trained)
    assert torch.equal(answer(ctx, read), changed)
    assert not torch.equal(changed, answer(ctx, model))


def test_a_lora_in_memory_is_kept_by_its_content(course: Course):
    codec = ResultCodec()
    again = codec.unpack(codec.pack(course.trained))
    assert again == course.trained
    assert torch.equal(answer(course.ctx, again), answer(course.ctx, course.trained))  # type: ignore[arg-type]


def test_sizes_that_differ_are_learned_one_by_one_or_by_buckets(there: tuple[Surroundings, Model]):
    several = [Latent(torch.randn(2, 4, 8, 8)), Latent(torch.randn(1, 4, 8, 16))]
    for buckets in (False, True):
        course = train(
            *there, latents=several, steps=1, grad_accumulation_steps=2, batch_size=2, bucket_mode=buckets
        )
        assert len(course.losses) == 2
    with pytest.raises(NodeError, match="3 latents and 2 positive"):
        train(*there, latents=several, positive=[(Cond(torch.ones(1, 4, tiny.CONTEXT)),)] * 2)


def test_a_file_of_another_kind_is_refused(there: tuple[Surroundings, Model], course: Course):
    ctx, model = there
    save_lora.run(ctx, lora=course.lora, prefix="loras/other", steps=4)
    (path,) = (ctx.files.root / "output" / "loras").glob("other_*")
    (ctx.files.root / "models" / "loras").mkdir(parents=True, exist_ok=True)
    path.rename(ctx.files.root / "models" / "loras" / path.name)
    assert train(ctx, model, steps=1, existing_lora=path.name).steps == 5
    with pytest.raises(NodeError, match="nothing that this training could go on from"):
        train(ctx, model, rank=2, algorithm="LoHa", existing_lora=path.name)
    assert torch.isfinite(answer(ctx, model)).all()
