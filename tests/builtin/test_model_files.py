"""Model files through their nodes: every form that people have, and files written by Weft that load again."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from nodes.builtin import all_nodes
from nodes.diffusion.memory.budget import Budget
from nodes.diffusion.memory.foresight import Foresight
from nodes.diffusion.models import unet_shape
from nodes.diffusion.models.build import size_of
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.spec import NodeError, Place
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models import tiny
from tests.diffusion.models.test_unet_families import CASES, original
from tests.diffusion.models.test_vision import clip, open_layout

NODES = {entry.spec.id: entry for entry in all_nodes()}
CPU = torch.device("cpu")
LATENTS = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
CONTEXT = torch.randn(1, 7, tiny.CONTEXT, generator=torch.Generator().manual_seed(2))
EIGHT = torch.float8_e4m3fn
TEXT = tiny.TEXT | {"num_hidden_layers": 2, "vocab_size": 49408, "projection_dim": 24}


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    pool = Pool(Placement(CPU, torch.float32, torch.float32), 10**9)
    made = Surroundings(workspace, {Pool: pool, ContentHashes: ContentHashes()}, previews=False)
    models = workspace.models
    for folder in ("checkpoints", "diffusion_models", "diffusers", "configs"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    tiny.original_file(models / "checkpoints" / "one.safetensors")
    save_file(whole_xl(), models / "checkpoints" / "xl.safetensors")
    tiny.folder(models / "diffusers" / "m")
    (models / "diffusers" / "m" / "model_index.json").write_text("{}")
    return made


def run(ctx: Surroundings, name: str, **inputs: object) -> Any:
    return NODES[name].run(ctx, **inputs)


def whole_xl() -> dict[str, Tensor]:
    """A whole checkpoint of XL as it was published: two encoders in their two layouts, a network, a VAE."""
    case = CASES["XL"]
    state = {name: tensor.half() for name, tensor in original(case, tiny.seeded(case.unet())).items()}
    state |= tiny.original_vae("first_stage_model.")
    text = tiny.text().state_dict()
    for name, tensor in text.items():
        state[f"conditioner.embedders.0.transformer.text_model.{name.removeprefix('text_model.')}"] = (
            tensor.clone()
        )
    large = tiny.seeded(CLIPTextModelWithProjection(CLIPTextConfig(**TEXT)), 9).state_dict()
    bare = {name.removeprefix("text_model."): tensor for name, tensor in large.items()}
    outer = "conditioner.embedders.1.model."
    state[outer + "text_projection"] = bare["text_projection.weight"].T.contiguous()
    state[outer + "positional_embedding"] = bare["embeddings.position_embedding.weight"].clone()
    state[outer + "token_embedding.weight"] = bare["embeddings.token_embedding.weight"].clone()
    for kind in ("weight", "bias"):
        state[f"{outer}ln_final.{kind}"] = bare[f"final_layer_norm.{kind}"].clone()
        for layer in range(2):
            ours, theirs = f"encoder.layers.{layer}.", f"{outer}transformer.resblocks.{layer}."
            thirds = [bare[f"{ours}self_attn.{name}_proj.{kind}"] for name in "qkv"]
            state[f"{theirs}attn.in_proj_{kind}"] = torch.cat(thirds)
            pairs = {"self_attn.out_proj": "attn.out_proj", "layer_norm1": "ln_1", "layer_norm2": "ln_2"}
            pairs |= {"mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
            for mine, other in pairs.items():
                state[f"{theirs}{other}.{kind}"] = bare[f"{ours}{mine}.{kind}"].clone()
    return state


def equal(path: Path, state: dict[str, Tensor]) -> None:
    made = load_file(path)
    assert made.keys() == state.keys()
    assert [name for name in state if made[name].dtype != state[name].dtype] == []
    assert [name for name in state if not torch.equal(made[name], state[name])] == []


@pytest.mark.parametrize("name", ["one", "xl"])
def test_a_checkpoint_that_is_saved_holds_the_tensors_it_was_loaded_from(ctx: Surroundings, name: str):
    model, clip, vae = run(ctx, "CheckpointLoaderSimple", ckpt_name=f"{name}.safetensors")
    prompt = {"1": {"class_type": "Anything"}}
    run(ctx, "CheckpointSave", model=model, clip=clip, vae=vae, filename_prefix=f"a/{name}", prompt=prompt)
    made = ctx.files.place(Place.OUTPUT) / "a" / f"{name}_00001_.safetensors"
    equal(made, load_file(ctx.files.models / "checkpoints" / f"{name}.safetensors"))
    with safe_open(made, "pt") as file:
        assert json.loads(file.metadata()["prompt"]) == prompt
        assert file.metadata()["modelspec.predict_key"] == "epsilon"


def test_a_model_steered_by_pictures_is_saved_with_what_sees_them(ctx: Surroundings):
    """In half precision, as it came; the vision model by OpenCLIP's names, which load again."""
    state = {name: tensor.half().clone() for name, tensor in clip(3).state_dict().items()}
    (ctx.files.models / "clip_vision").mkdir(exist_ok=True)
    save_file(state, ctx.files.models / "clip_vision" / "eye.safetensors")
    model, _, vae = run(ctx, "CheckpointLoaderSimple", ckpt_name="one.safetensors")
    eye = run(ctx, "CLIPVisionLoader", clip_name="eye.safetensors")
    run(ctx, "ImageOnlyCheckpointSave", model=model, clip_vision=eye, vae=vae, filename_prefix="pictures")
    made = load_file(ctx.files.place(Place.OUTPUT) / "pictures_00001_.safetensors")
    inside = "conditioner.embedders.0.open_clip.model.visual."
    seen = {name.removeprefix(inside): tensor for name, tensor in made.items() if name.startswith(inside)}
    wanted = open_layout(state)
    assert seen.keys() == wanted.keys() and all(torch.equal(seen[name], wanted[name]) for name in seen)
    (ctx.files.place(Place.OUTPUT) / "pictures_00001_.safetensors").rename(
        ctx.files.models / "checkpoints" / "pictures.safetensors"
    )
    again, eye, vae = run(ctx, "ImageOnlyCheckpointLoader", ckpt_name="pictures.safetensors")
    with ctx.resource(Pool).session() as models:
        one, other = (
            models.network(each)(LATENTS, torch.tensor([500.0]), CONTEXT) for each in (model, again)
        )
        assert torch.allclose(one, other, atol=1e-5) and vae is not None and eye is not None


def test_parts_of_their_own_load_again(ctx: Surroundings):
    model, clip, vae = run(ctx, "CheckpointLoaderSimple", ckpt_name="one.safetensors")
    run(ctx, "ModelSave", model=model, filename_prefix="diffusion_models/net")
    run(ctx, "CLIPSave", clip=clip, filename_prefix="clip/text")
    run(ctx, "VAESave", vae=vae, filename_prefix="vae/vae")
    output, pool = ctx.files.place(Place.OUTPUT), ctx.resource(Pool)
    for made, folder in (
        ("diffusion_models/net_00001_", "diffusion_models"),
        ("clip/text_clip_l_00001_", "text_encoders"),
        ("vae/vae_00001_", "vae"),
    ):
        target = ctx.files.models / folder / "saved.safetensors"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((output / f"{made}.safetensors").read_bytes())
    again = run(ctx, "UNETLoader", unet_name="saved.safetensors", weight_dtype="default")
    read = run(ctx, "CLIPLoader", clip_name="saved.safetensors", type="stable_diffusion")
    coder = run(ctx, "VAELoader", vae_name="saved.safetensors")
    with pool.session() as models:
        time = torch.tensor([500.0])
        one, other = (models.network(which)(LATENTS, time, CONTEXT) for which in (again, model))
        assert torch.allclose(one, other, atol=1e-5)
        assert torch.allclose(
            models.encode(read, "a cat").context, models.encode(clip, "a cat").context, atol=1e-5
        )
        assert torch.allclose(models.vae(coder).decode(LATENTS), models.vae(vae).decode(LATENTS), atol=1e-5)


def forms(net: UNet2DConditionModel, folder: Path) -> dict[str, str]:
    """The same network sharded, in eight bits, and in eight bits with scales; names of the files."""
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    names = sorted(state)
    for number, part in enumerate((names[::2], names[1::2]), 1):
        save_file({name: state[name] for name in part}, folder / f"net-0000{number}-of-00002.safetensors")
    large = [name for name in names if state[name].ndim > 1]
    save_file(state | {name: state[name].to(EIGHT) for name in large}, folder / "eight.safetensors")
    scaled = dict(state)
    for name in large:
        scale = state[name].abs().max() / 448
        scaled[name] = (state[name] / scale).to(EIGHT)
        scaled[name.removesuffix("weight") + "scale_weight"] = scale.reshape(1)
    save_file(scaled | {"scaled_fp8": torch.empty(2, dtype=EIGHT)}, folder / "scaled.safetensors")
    return {"sharded": "net-00001-of-00002", "eight": "eight", "scaled": "scaled"}


def test_shards_and_eight_bits_load(ctx: Surroundings):
    net = tiny.unet()
    files = forms(net, ctx.files.models / "diffusion_models")
    wanted, time = net(LATENTS, torch.tensor([500.0]), CONTEXT).sample, torch.tensor([500.0])
    apart = {}
    with ctx.resource(Pool).session() as models:
        for form, name in files.items():
            model = run(ctx, "UNETLoader", unet_name=f"{name}.safetensors", weight_dtype="default")
            made = models.network(model)(LATENTS, time, CONTEXT)
            apart[form] = float((made - wanted).abs().max() / wanted.abs().max())
    assert apart["sharded"] == 0.0
    assert 0 < apart["scaled"] < 0.2 and 0 < apart["eight"] < 0.2  # three bits of fraction


@pytest.mark.parametrize(("said", "kind"), [("fp8_e4m3fn", EIGHT), ("fp8_e5m2", torch.float8_e5m2)])
def test_weights_kept_in_eight_bits_compute_in_the_type_of_the_latents(
    ctx: Surroundings, said: str, kind: Any
):
    net = tiny.unet()
    path = ctx.files.models / "diffusion_models" / "whole.safetensors"
    save_file(net.state_dict(), path)
    model = run(ctx, "UNETLoader", unet_name="whole.safetensors", weight_dtype=said)
    for part in net.modules():
        if isinstance(part, torch.nn.Linear | torch.nn.Conv2d):
            part.weight.data = part.weight.data.to(kind).float()
    time = torch.tensor([500.0])
    with ctx.resource(Pool).session() as models:
        network = models.network(model)
        assert network.module.get_parameter("conv_in.weight").dtype is kind
        assert network.module.get_parameter("conv_norm_out.weight").dtype is torch.float32
        assert torch.allclose(network(LATENTS, time, CONTEXT), net(LATENTS, time, CONTEXT).sample, atol=1e-5)


def test_a_missing_shard_is_named(ctx: Surroundings):
    folder = ctx.files.models / "diffusion_models"
    save_file({"a": torch.zeros(1)}, folder / "half-00001-of-00002.safetensors")
    with pytest.raises(NodeError, match="half-00002-of-00002"):
        run(ctx, "UNETLoader", unet_name="half-00001-of-00002.safetensors", weight_dtype="default")


def test_a_folder_and_settings_load(ctx: Surroundings):
    model, clip, vae = run(ctx, "DiffusersLoader", model_path="m")
    assert model.checkpoint.path.name == "m" and clip is not None and vae is not None
    said = (
        "model:\n  params:\n    parameterization: v\n    cond_stage_config:\n      params: {layer_idx: -2}\n"
    )
    (ctx.files.models / "configs" / "v.yaml").write_text(said)
    model, clip, _ = run(ctx, "CheckpointLoader", config_name="v.yaml", ckpt_name="one.safetensors")
    assert model.settings.parametrisation == "v" and clip.last_layer == -2
    (ctx.files.models / "configs" / "odd.yaml").write_text("a: [")
    with pytest.raises(NodeError, match=r"odd\.yaml do not read"):
        run(ctx, "CheckpointLoader", config_name="odd.yaml", ckpt_name="one.safetensors")


def test_a_gguf_file_is_planned_loads_and_is_saved(ctx: Surroundings):
    """By its node, planned from its header; what is saved has the numbers that were packed."""
    gguf = pytest.importorskip("gguf", reason="GGUF files need the package gguf")
    from tests.diffusion.models.test_gguf import packed, write

    net, path = tiny.unet(), ctx.files.models / "diffusion_models" / "packed.gguf"
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    state = tiny.original_unet(net, unet_shape.original_names(unet_shape.diffusers_shape(shapes)), "")
    rows = {name: packed(tensor, "Q8_0") for name, tensor in state.items()}
    write(path, rows, "sd1")
    assert path.name in ctx.files.choices("diffusion_models")
    model = run(ctx, "UNETLoader", unet_name=path.name, weight_dtype="default")
    need = Foresight(Placement(CPU, torch.float32, torch.float32), Budget(10**9), 10**9).sampling(
        path, (64, 64)
    )
    pool, time = ctx.resource(Pool), torch.tensor([500.0])
    with pool.session() as models:
        network = models.network(model)
        made = network(LATENTS, time, CONTEXT)
        assert need.weights == size_of(network.module) == size_of(net)
    run(ctx, "ModelSave", model=model, filename_prefix="unpacked")
    saved = load_file(ctx.files.place(Place.OUTPUT) / "unpacked_00001_.safetensors")
    for name, (data, kind) in rows.items():
        wide = data if kind != 8 else gguf.quants.dequantize(data, kind)
        assert torch.equal(
            saved["model.diffusion_model." + name], torch.from_numpy(wide).reshape(state[name].shape)
        )
    assert torch.isfinite(made).all()
