"""Files that are wrong, through the nodes that name them: each error says which file, what is wrong, and what to do."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file
from torch import Tensor

from nodes.builtin import all_nodes
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Latent
from nodes.spec import NodeError, Place
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models import tiny
from tests.diffusion.models.test_files import raw
from tests.diffusion.models.test_transformer_forms import FILES, stored
from tests.diffusion.models.test_transformers import tiny_network

NODES = {entry.spec.id: entry for entry in all_nodes()}
CPU = torch.device("cpu")
NETWORK = "model.diffusion_model."
EMPTY = Latent(torch.zeros(1, 4, 8, 8))


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.original_file(tmp_path_factory.mktemp("files") / "one.safetensors")


@pytest.fixture
def ctx(one: Path, tmp_path: Path) -> Surroundings:
    workspace, hashes = Workspace(tmp_path), ContentHashes()
    pool = Pool(Placement(CPU, torch.float32, torch.float32), 10**9, current=hashes.reference)
    made = Surroundings(workspace, {Pool: pool, ContentHashes: hashes}, previews=False)
    for folder in ("checkpoints", "diffusion_models", "loras", "vae", "text_encoders"):
        (workspace.models / folder).mkdir(parents=True, exist_ok=True)
    shutil.copy(one, workspace.models / "checkpoints" / "one.safetensors")
    return made


def run(ctx: Surroundings, name: str, **inputs: object) -> Any:
    return NODES[name].run(ctx, **inputs)


def sampled(ctx: Surroundings, model: object, clip: object, latents: Latent = EMPTY) -> Tensor:
    said = run(ctx, "CLIPTextEncode", clip=clip, text="a cat")
    settings = {
        "seed": 1,
        "steps": 1,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }
    made = run(ctx, "KSampler", model=model, positive=said, negative=said, latent_image=latents, **settings)
    return made.samples


def checkpoints(ctx: Surroundings) -> Path:
    return ctx.files.models / "checkpoints"


def state_of(ctx: Surroundings) -> dict[str, Tensor]:
    return load_file(checkpoints(ctx) / "one.safetensors")


def error(ctx: Surroundings, name: str, **inputs: object) -> NodeError:
    with pytest.raises(NodeError) as told:
        run(ctx, name, **inputs)
    return told.value


LIES = {
    "truncated": lambda whole: whole[: len(whole) // 2],
    "truncated in its header": lambda whole: whole[:100],
    "wrong header length": lambda whole: (10**9).to_bytes(8, "little") + whole[8:],
    "short header length": lambda whole: (17).to_bytes(8, "little") + whole[8:],
    "overlapping offsets": lambda _whole: raw({"a": [0, 16], "b": [8, 24]}, data=24),
    "empty": lambda _whole: b"",
}
LOADERS = {
    "CheckpointLoaderSimple": ("checkpoints", {"ckpt_name": "bad.safetensors"}),
    "UNETLoader": ("diffusion_models", {"unet_name": "bad.safetensors", "weight_dtype": "default"}),
    "CLIPLoader": ("text_encoders", {"clip_name": "bad.safetensors", "type": "stable_diffusion"}),
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("loader", LOADERS)
def test_damaged_files_are_refused_by_the_loader(loader: str, lie: str, ctx: Surroundings):
    folder, inputs = LOADERS[loader]
    whole = (checkpoints(ctx) / "one.safetensors").read_bytes()
    (ctx.files.models / folder / "bad.safetensors").write_bytes(LIES[lie](whole))
    told = error(ctx, loader, **inputs)
    assert "bad.safetensors cannot be read" in told.message and "whole" in str(told.hint)


def test_damaged_loras_and_vaes_are_refused_where_they_are_used(ctx: Surroundings):
    model, clip, _ = run(ctx, "CheckpointLoaderSimple", ckpt_name="one.safetensors")
    for folder in ("loras", "vae"):
        (ctx.files.models / folder / "bad.safetensors").write_bytes(raw({"a": [0, 16]}, length=10**6))
    patched, _ = run(
        ctx,
        "LoraLoader",
        model=model,
        clip=clip,
        lora_name="bad.safetensors",
        strength_model=1.0,
        strength_clip=0.0,
    )
    with pytest.raises(NodeError, match=r"bad\.safetensors cannot be read"):
        sampled(ctx, patched, clip)
    vae = run(ctx, "VAELoader", vae_name="bad.safetensors")
    assert "bad.safetensors cannot be read" in error(ctx, "VAEDecode", samples=EMPTY, vae=vae).message


def test_weights_that_are_no_numbers_are_told_with_file_and_tensor(ctx: Surroundings):
    state, name = state_of(ctx), NETWORK + "middle_block.1.proj_in.weight"
    state[name][3] = float("nan")
    save_file(state, checkpoints(ctx) / "nan.safetensors")
    model, clip, _ = run(ctx, "CheckpointLoaderSimple", ckpt_name="nan.safetensors")
    with pytest.raises(NodeError) as told:
        sampled(ctx, model, clip)
    assert told.value.message.startswith(
        f"nan.safetensors cannot be read: its tensor {name} holds values that are no"
    )
    assert "again" in str(told.value.hint)


@pytest.mark.parametrize(
    ("case", "loader"),
    [(None, "CLIPLoader (type stable_diffusion)"), ("FLUX.1", "DualCLIPLoader (type flux)"),
     ("Stable Diffusion 3", "TripleCLIPLoader"), ("Qwen-Image", "CLIPLoader (type qwen_image)")],
)  # fmt: skip
def test_a_missing_encoder_is_told_with_the_file_and_the_loader_that_brings_one(
    case: str | None, loader: str, ctx: Surroundings
):
    if case is None:
        state = {name: tensor for name, tensor in state_of(ctx).items() if name.startswith(NETWORK)}
        called = "Stable Diffusion 1"
    else:
        known = next(one for one in FILES if one.name == case)
        state = {NETWORK + name: tensor for name, tensor in stored(known, tiny_network(known))[0].items()}
        called = case
    save_file(state, checkpoints(ctx) / "bare.safetensors")
    _, clip, vae = run(ctx, "CheckpointLoaderSimple", ckpt_name="bare.safetensors")
    told = error(ctx, "CLIPTextEncode", clip=clip, text="a cat")
    assert told.message == f"bare.safetensors holds {called} without a text encoder."
    assert f"Add the node {loader}," in str(told.hint) and "connect its CLIP" in str(told.hint)
    told = error(ctx, "VAEDecode", samples=EMPTY, vae=vae)
    assert told.message == f"bare.safetensors holds {called} without a VAE." and "VAELoader" in str(told.hint)


def test_a_checkpoint_without_encoder_and_vae_takes_loras_and_is_saved(ctx: Surroundings):
    state = {name: tensor for name, tensor in state_of(ctx).items() if name.startswith(NETWORK)}
    save_file(state, checkpoints(ctx) / "bare.safetensors")
    name = "lora_unet_mid_block_attentions_0_proj_in"
    save_file({f"{name}.diff": torch.ones(64, 64, 1, 1)}, ctx.files.models / "loras" / "some.safetensors")
    model, clip, vae = run(ctx, "CheckpointLoaderSimple", ckpt_name="bare.safetensors")
    settings = {"lora_name": "some.safetensors", "strength_model": 1.0, "strength_clip": 1.0}
    model, clip = run(ctx, "LoraLoader", model=model, clip=clip, **settings)
    run(ctx, "CheckpointSave", model=model, clip=clip, vae=vae, filename_prefix="bare")
    (made,) = ctx.files.place(Place.OUTPUT).glob("bare*.safetensors")
    assert load_file(made).keys() == state.keys()


def test_a_vae_of_another_family_is_told_on_the_node(ctx: Surroundings):
    wide = tiny.seeded(AutoencoderKL(**{**tiny.VAE, "latent_channels": 16}))
    save_file(wide.state_dict(), ctx.files.models / "vae" / "wide.safetensors")
    vae = run(ctx, "VAELoader", vae_name="wide.safetensors")
    told = error(ctx, "VAEDecode", samples=EMPTY, vae=vae)
    assert "4 channels" in told.message and "16" in told.message, told.message
    assert "VAE" in str(told.hint)
    encoded = run(ctx, "VAEEncode", pixels=torch.rand(1, 64, 64, 3), vae=vae)
    model, clip, _ = run(ctx, "CheckpointLoaderSimple", ckpt_name="one.safetensors")
    with pytest.raises(NodeError) as raised:
        sampled(ctx, model, clip, encoded)
    assert "16 channels" in raised.value.message and "4" in raised.value.message, raised.value.message


def test_a_lora_of_another_family_is_told_on_the_node_and_the_picture_is_as_without(ctx: Surroundings):
    model, clip, _ = run(ctx, "CheckpointLoaderSimple", ckpt_name="one.safetensors")
    plain = sampled(ctx, model, clip)
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    other = {f"{name}.lora_down.weight": torch.ones(2, 8), f"{name}.lora_up.weight": torch.ones(24, 2)}
    save_file(other, ctx.files.models / "loras" / "flux.safetensors")
    settings = {"lora_name": "flux.safetensors", "strength_model": 1.0}
    patched = run(ctx, "LoraLoaderModelOnly", model=model, **settings)
    ctx.said.clear()
    assert torch.equal(sampled(ctx, patched, clip), plain)
    assert any("flux.safetensors" in text for text in ctx.said), ctx.said


def test_a_file_that_is_replaced_while_it_is_loaded_is_noticed_and_its_new_content_drawn(ctx: Surroundings):
    path = checkpoints(ctx) / "one.safetensors"
    state = state_of(ctx)
    token = NODES["CheckpointLoaderSimple"].change_token
    assert token is not None
    before = token(ctx, ckpt_name="one.safetensors")
    model, clip, _ = run(ctx, "CheckpointLoaderSimple", ckpt_name="one.safetensors")
    first = sampled(ctx, model, clip)
    state[NETWORK + "out.2.bias"] += 0.5
    save_file(state, path.with_name("new.safetensors"))
    shutil.move(path.with_name("new.safetensors"), path)
    assert token(ctx, ckpt_name="one.safetensors") != before
    model, clip, _ = run(ctx, "CheckpointLoaderSimple", ckpt_name="one.safetensors")
    second = sampled(ctx, model, clip)
    fresh = Surroundings(ctx.files, {Pool: Pool(Placement(CPU, torch.float32, torch.float32), 10**9),
                                     ContentHashes: ContentHashes()}, previews=False)  # fmt: skip
    model, clip, _ = run(fresh, "CheckpointLoaderSimple", ckpt_name="one.safetensors")
    assert torch.equal(second, sampled(fresh, model, clip)) and not torch.equal(first, second)
