"""Vision models and what they see as packs hold them, beside our own nodes for the same jobs."""

import importlib
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodes.compat.convert import inward, outward
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.vision import load_vision
from nodes.diffusion.values import Vae
from nodes.diffusion.vision_values import ClipVisionOutput
from nodes.spec import Place
from tests.compat.tiny_models import CPU, PROMPTS, STARTER, Host
from tests.diffusion.models.test_vision import LARGE, clip, open_layout

SEEN = torch.rand(2, 30, 40, 3, generator=torch.Generator().manual_seed(2))
OPENED = "conditioner.embedders.0.model.visual."  # where checkpoints have a vision model of OpenCLIP's
PARTS = "image_embeds", "last_hidden_state", "penultimate_hidden_states"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Host(tmp_path_factory.mktemp("vision"))
    folder = made.folder / "models" / "clip_vision"
    folder.mkdir(parents=True, exist_ok=True)
    save_file(clip(LARGE).state_dict(), folder / "eye.safetensors")
    save_file({"x": torch.zeros(1)}, folder / "none.safetensors")
    with made.running():
        yield made


@pytest.fixture
def vision() -> Any:
    return importlib.import_module("comfy.clip_vision")


def path(host: Host, name: str = "eye.safetensors") -> str:
    return str(host.folder / "models" / "clip_vision" / name)


def test_a_vision_model_from_a_file_is_our_loader_s(host: Host, vision: Any):
    ours = host.run("CLIPVisionLoader", clip_name="eye.safetensors")
    model = vision.load(path(host))
    assert isinstance(model, vision.ClipVisionModel) and isinstance(outward(ours), vision.ClipVisionModel)
    assert inward(model, "CLIP_VISION") == ours and vision.load(path(host, "none.safetensors")) is None
    importlib.import_module("comfy.model_management").load_model_gpu(model.patcher)
    loaded = load_vision(
        host.folder / "models/clip_vision/eye.safetensors", Placement(CPU, *[torch.float32] * 2)
    )
    assert (model.image_size, model.dtype, model.load_device) == (28, torch.float32, CPU)
    assert (tuple(model.image_mean), tuple(model.image_std)) == (loaded.means, loaded.deviations)


@pytest.mark.parametrize(("crop", "way"), [(True, "center"), (False, "none")])
def test_it_sees_what_our_node_sees(host: Host, vision: Any, crop: bool, way: str):
    model = vision.load(path(host))
    made = model.encode_image(SEEN, crop=crop)
    ours = host.run("CLIPVisionEncode", clip_vision=model, image=SEEN, crop=way)
    assert isinstance(made, vision.Output) and list(made.image_sizes) == [(3, 28, 28)] * 2
    for name in PARTS:
        assert torch.equal(made[name], ours[name]) and getattr(made, name) is made[name]
    planes = vision.clip_preprocess(SEEN, 28, model.image_mean, model.image_std, crop)
    again = clip(LARGE)(pixel_values=planes).image_embeds
    assert torch.allclose(again, ours.image_embeds, atol=1e-5)


@pytest.mark.parametrize(("prefix", "opened"), [("", False), ("eye.", False), (OPENED, True)])
def test_a_vision_model_from_weights_sees_what_our_loader_s_sees(
    host: Host, vision: Any, prefix: str, opened: bool
):
    state = clip(LARGE).state_dict()
    named = {prefix + name: each for name, each in (open_layout(state) if opened else state).items()}
    given = {**named, "another.weight": torch.zeros(1)}
    model = vision.load_clipvision_from_sd(given, prefix, opened)
    assert len(given) == len(named) + 1 and isinstance(model, vision.ClipVisionModel)
    eye = host.run("CLIPVisionLoader", clip_name="eye.safetensors")
    made, ours = (
        model.encode_image(SEEN),
        host.run("CLIPVisionEncode", clip_vision=eye, image=SEEN, crop="center"),
    )
    for name in PARTS:
        assert torch.equal(made[name], ours[name])


def test_weights_without_a_vision_model_give_none(vision: Any):
    state = clip(LARGE).state_dict()
    assert vision.load_clipvision_from_sd({}) is None
    assert vision.load_clipvision_from_sd({"x": torch.zeros(1)}) is None
    assert vision.load_clipvision_from_sd(state, prefix="elsewhere.") is None


def test_a_checkpoint_gives_its_vision_model_where_it_is_asked_for(host: Host, vision: Any):
    load = importlib.import_module("comfy.sd").load_checkpoint_guess_config
    eye, vae = (
        host.run("CLIPVisionLoader", clip_name="eye.safetensors"),
        Vae(host.recipe.checkpoint),
    )
    asked = {"model": host.recipe, "clip_vision": eye, "vae": vae, "filename_prefix": "seeing"}
    host.run("ImageOnlyCheckpointSave", **asked)
    (file,) = host.ctx.files.place(Place.OUTPUT).glob("seeing_*.safetensors")
    model, _, _, inside = load(str(file), output_clipvision=True)
    assert model is not None and load(str(file))[3] is None
    wanted = vision.load(path(host)).encode_image(SEEN)
    assert torch.equal(inside.encode_image(SEEN).image_embeds, wanted.image_embeds)
    assert load(str(STARTER), output_clipvision=True)[3] is None


def test_what_was_seen_crosses_both_ways_on_wires_and_beside_prompts(host: Host, vision: Any):
    eye = host.run("CLIPVisionLoader", clip_name="eye.safetensors")
    ours = host.run("CLIPVisionEncode", clip_vision=eye, image=SEEN, crop="center")
    assert inward(outward(ours), "CLIP_VISION_OUTPUT") is ours
    asked = {"conditioning": PROMPTS["positive"], "strength": 1.0, "noise_augmentation": 0.0}
    own = host.run("unCLIPConditioning", clip_vision_output=ours, **asked)
    theirs: Any = outward(own)
    (entry,) = theirs[0][1]["unclip_conditioning"]
    assert isinstance(entry["clip_vision_output"], vision.Output)
    again: Any = inward(theirs, "CONDITIONING")
    assert again[0].extra["unclip_conditioning"][0]["clip_vision_output"] is ours


def test_a_pack_s_own_output_is_read_by_our_nodes(host: Host, vision: Any):
    made = vision.Output()
    made.image_embeds = torch.ones(1, 32)
    made["penultimate_hidden_states"] = torch.full((1, 5, 64), 2.0)
    asked = {"conditioning": PROMPTS["positive"], "strength": 1.0, "noise_augmentation": 0.0}
    own = host.run("unCLIPConditioning", clip_vision_output=made, **asked)
    (entry,) = own[0].extra["unclip_conditioning"]
    inside = entry["clip_vision_output"]
    assert isinstance(inside, ClipVisionOutput) and inside.image_embeds is made.image_embeds
    assert torch.equal(inside.penultimate_hidden_states, torch.full((1, 5, 64), 2.0))
    changed = outward(inside)
    assert isinstance(changed, vision.Output) and changed.last_hidden_state is None
    changed.image_embeds = torch.zeros(1, 32)
    back: Any = inward(changed, "CLIP_VISION_OUTPUT")
    assert torch.equal(back.image_embeds, torch.zeros(1, 32)) and inside.image_embeds.sum() == 32


def test_an_empty_output_is_refused_by_name(vision: Any):
    standing = importlib.import_module("nodes.compat.standing")
    with pytest.raises(standing.NotOffered, match=r"clip_vision\.Output that is empty"):
        inward(vision.Output(), "CLIP_VISION_OUTPUT")
    with pytest.raises(standing.NotOffered, match="of settings"):
        vision.ClipVisionModel({"hidden_size": 8})
