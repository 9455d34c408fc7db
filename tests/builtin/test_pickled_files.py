"""Files that could run code, chosen in a loader: converted once, then as good as the safetensors of the same tensors."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from nodes.builtin import all_nodes
from nodes.builtin.embeddings import embeddings
from nodes.builtin.previews import Method, Previews
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.models.conversion import Conversions
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models import tiny

NODES = {entry.spec.id: entry for entry in all_nodes()}
CPU = torch.device("cpu")


@pytest.fixture
def ctx(tmp_path: Path) -> Surroundings:
    workspace = Workspace(tmp_path)
    conversions = Conversions(workspace.user / "converted")
    parts = (Pool(Placement(CPU, torch.float32, torch.float32), 10**9), ContentHashes(), conversions)
    return Surroundings(workspace, {type(part): part for part in parts})


def test_a_checkpoint_is_sampled_as_its_safetensors_are(ctx):
    folder = ctx.files.root / "models" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    safe = tiny.original_file(folder / "safe.safetensors")
    torch.save({"state_dict": load_file(safe), "global_step": 7}, folder / "old.ckpt")
    loaded = {
        name: NODES["CheckpointLoaderSimple"].run(ctx, ckpt_name=name)[0]
        for name in ("safe.safetensors", "old.ckpt")
    }
    answers = []
    for model in loaded.values():
        with ctx.resource(Pool).session() as models:
            network = models.network(model)
            answers.append(network(torch.ones(1, 4, 8, 8), torch.tensor([5.0]), torch.ones(1, 77, 64)))
    assert torch.equal(*answers)
    assert ctx.resource(Conversions).safe(folder / "old.ckpt") == loaded["old.ckpt"].checkpoint.path
    assert loaded["old.ckpt"] == NODES["CheckpointLoaderSimple"].run(ctx, ckpt_name="old.ckpt")[0]


def test_what_cannot_be_converted_is_named_on_the_node(ctx):
    folder = ctx.files.root / "models" / "vae"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "page.pt").write_text("<html>not found</html>")
    with pytest.raises(NodeError, match=r"page\.pt cannot be read: it is cut short or no file of torch"):
        NODES["VAELoader"].run(ctx, vae_name="page.pt")


def test_embeddings_and_small_decoders_may_be_pickled(ctx):
    vectors = torch.randn(2, 32, generator=torch.Generator().manual_seed(1))
    for folder in ("embeddings", "vae_approx"):
        (ctx.files.root / "models" / folder).mkdir(parents=True, exist_ok=True)
    torch.save({"string_to_param": {"*": vectors}}, ctx.files.root / "models" / "embeddings" / "cat.pt")
    found = embeddings(ctx)("cat", "l")
    assert found is not None and torch.equal(found, vectors) and not ctx.said
    (ctx.files.root / "models" / "vae_approx" / "taesd_decoder.pth").write_bytes(b"junk")
    previews = Previews(ctx.files, CPU, Method.SMALL_DECODER, ctx.resource(Conversions))
    _, said = previews.picture(torch.zeros(1, 4, 8, 8), latent_format("SD15"), "")
    assert "taesd_decoder.pth cannot be read" in said
