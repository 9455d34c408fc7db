"""Vision and style models: as transformers and diffusers have them, from every layout of file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from PIL import Image
from safetensors.torch import save_file
from transformers import (
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    SiglipVisionConfig,
    SiglipVisionModel,
)

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.style import load_style
from nodes.diffusion.models.vision import MEANS, load_vision, prepared
from nodes.diffusion.vision_values import ClipVisionOutput
from tests.diffusion.models.tiny import seeded

SIZES = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_attention_heads": 1,
    "image_size": 28,
    "patch_size": 14,
}
SEEN = torch.rand(2, 28, 28, 3, generator=torch.Generator().manual_seed(1))
LARGE, HUGE = 3, 30  # layers: of a model that OpenAI trained, and from which on one is OpenCLIP's


def clip(layers: int) -> CLIPVisionModelWithProjection:
    act = "gelu" if layers >= HUGE else "quick_gelu"
    config = CLIPVisionConfig(**SIZES, num_hidden_layers=layers, projection_dim=32, hidden_act=act)
    return seeded(CLIPVisionModelWithProjection(config))


def open_layout(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors as OpenCLIP names them."""
    bare = {name.removeprefix("vision_model."): tensor for name, tensor in state.items()}
    made = {
        "class_embedding": bare.pop("embeddings.class_embedding"),
        "positional_embedding": bare.pop("embeddings.position_embedding.weight"),
        "conv1.weight": bare.pop("embeddings.patch_embedding.weight"),
        "proj": bare.pop("visual_projection.weight").T.contiguous(),
    }
    for kind in ("weight", "bias"):
        made[f"ln_pre.{kind}"] = bare.pop(f"pre_layrnorm.{kind}")
        made[f"ln_post.{kind}"] = bare.pop(f"post_layernorm.{kind}")
    layers = {name.split(".")[2] for name in bare}
    for layer in layers:
        inside, block = f"encoder.layers.{layer}.", f"transformer.resblocks.{layer}."
        for kind in ("weight", "bias"):
            thirds = [bare.pop(f"{inside}self_attn.{third}_proj.{kind}") for third in "qkv"]
            made[f"{block}attn.in_proj_{kind}"] = torch.cat(thirds)
            for ours, theirs in (
                ("self_attn.out_proj", "attn.out_proj"),
                ("layer_norm1", "ln_1"),
                ("layer_norm2", "ln_2"),
                ("mlp.fc1", "mlp.c_fc"),
                ("mlp.fc2", "mlp.c_proj"),
            ):
                made[f"{block}{theirs}.{kind}"] = bare.pop(f"{inside}{ours}.{kind}")
    assert not bare
    return made


@pytest.mark.parametrize("layers", [LARGE, HUGE])
@pytest.mark.parametrize("before", ["", "visual.", "embedder.model.visual."])
def test_clip_sees_what_the_class_of_transformers_sees(
    tmp_path: Path, placement: Placement, layers: int, before: str
):
    model = clip(layers)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    if before:
        state = {before + name: tensor for name, tensor in open_layout(state).items()}
    save_file(state, tmp_path / "vision.safetensors")
    loaded = load_vision(tmp_path / "vision.safetensors", placement)
    made = loaded.read(SEEN)
    planes = torch.from_numpy(np.round(SEEN.numpy() * 255.0) / 255.0).movedim(-1, 1)
    mean, deviation = (torch.tensor(part).reshape(1, 3, 1, 1) for part in (MEANS, loaded.deviations))
    expected = model(((planes - mean) / deviation).float(), output_hidden_states=True)
    torch.testing.assert_close(made.image_embeds, expected.image_embeds)
    torch.testing.assert_close(made.last_hidden_state, expected.last_hidden_state)
    torch.testing.assert_close(made["penultimate_hidden_states"], expected.hidden_states[-2])
    assert made.image_sizes == ((3, 28, 28),) * 2


@pytest.mark.parametrize("head", [True, False])
def test_siglip_sees_what_the_class_of_transformers_sees(tmp_path: Path, placement: Placement, head: bool):
    model = seeded(SiglipVisionModel(SiglipVisionConfig(**SIZES, num_hidden_layers=2, vision_use_head=head)))
    state = {
        "vision_model." + name.removeprefix("vision_model."): tensor.clone()
        for name, tensor in model.state_dict().items()
    }
    save_file(state, tmp_path / "siglip.safetensors")
    made = load_vision(tmp_path / "siglip.safetensors", placement).read(SEEN)
    expected = model((prepared(SEEN, 28, "center") - 0.5) / 0.5, output_hidden_states=True)
    torch.testing.assert_close(made.last_hidden_state, expected.last_hidden_state)
    torch.testing.assert_close(made.penultimate_hidden_states, expected.hidden_states[-2])
    assert (made.image_embeds is not None) is head
    if head:
        torch.testing.assert_close(made.image_embeds, expected.pooler_output)


def test_a_projector_gives_a_language_model_the_patches_without_the_class(
    tmp_path: Path, placement: Placement
):
    model, chance = clip(LARGE), torch.Generator().manual_seed(3)
    first, second = torch.randn(48, 64, generator=chance), torch.randn(40, 48, generator=chance)
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state |= {
        "multi_modal_projector.linear_1.weight": first,
        "multi_modal_projector.linear_1.bias": torch.ones(48),
        "multi_modal_projector.linear_2.weight": second,
        "multi_modal_projector.linear_2.bias": torch.ones(40),
    }
    save_file(state, tmp_path / "llava.safetensors")
    made = load_vision(tmp_path / "llava.safetensors", placement).read(SEEN)
    inner = torch.nn.functional.gelu(made.penultimate_hidden_states[:, 1:] @ first.T + 1.0)
    assert made.mm_projected is not None
    torch.testing.assert_close(made.mm_projected, inner @ second.T + 1.0)


@pytest.mark.parametrize(
    ("width", "height", "sized", "corner"),
    [
        (57, 40, (40, 28), (6, 0)),
        (40, 57, (28, 40), (0, 6)),
        (28, 28, (28, 28), (0, 0)),
        (20, 13, (43, 28), (7, 0)),
    ],
)
def test_a_picture_is_sized_as_pillow_sizes_it_and_cut_in_the_middle(
    width: int, height: int, sized: tuple[int, int], corner: tuple[int, int]
):
    chance = np.random.default_rng(0)
    image = chance.random((height, width, 3), dtype=np.float32)
    left, top = corner
    planes = [
        Image.fromarray(image[..., colour]).resize(sized, Image.Resampling.BICUBIC) for colour in range(3)
    ]
    cut = [np.asarray(plane)[top : top + 28, left : left + 28] for plane in planes]
    expected = np.round(np.clip(np.stack(cut) * 255.0, 0.0, 255.0))
    made = prepared(torch.from_numpy(image)[None], 28, "center")[0].numpy() * 255.0
    assert np.abs(made - np.round(made)).max() < 1e-3
    off = np.abs(made - expected)
    assert off.max() < 1.001 and (off > 0.5).mean() < 0.01  # halves may be rounded either way


def test_stretched_a_picture_is_seen_whole():
    image = torch.zeros(1, 60, 30, 4)
    image[:, :30, :, 0] = 1.0
    made = prepared(image, 28, "none")
    assert made.shape == (1, 3, 28, 28)
    assert made[0, 0, :12].min() == 1.0 and made[0, 0, 16:].max() == 0.0


def test_a_file_without_a_vision_model_is_refused(tmp_path: Path, placement: Placement):
    save_file({"embeddings.cls_token": torch.ones(1)}, tmp_path / "dino.safetensors")
    with pytest.raises(CheckpointUnknown, match="DINO"):
        load_vision(tmp_path / "dino.safetensors", placement)
    save_file({"other": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointUnknown, match="vision model"):
        load_vision(tmp_path / "other.safetensors", placement)


def test_redux_says_what_the_class_of_diffusers_says(tmp_path: Path, placement: Placement):
    model = seeded(ReduxImageEncoder(redux_dim=24, txt_in_features=16))
    save_file(model.state_dict(), tmp_path / "redux.safetensors")
    seen = torch.randn(2, 5, 24, generator=torch.Generator().manual_seed(2))
    made = load_style(tmp_path / "redux.safetensors", placement)
    output = ClipVisionOutput(torch.zeros(2, 3), seen, seen)
    torch.testing.assert_close(made.tokens(output), model(seen).image_embeds)
    with pytest.raises(ValueError, match="24 are read"):
        made.tokens(ClipVisionOutput(seen, seen[..., :8], seen))
    save_file({"style_embedding": torch.ones(1)}, tmp_path / "t2i.safetensors")
    with pytest.raises(CheckpointUnknown, match="T2I"):
        load_style(tmp_path / "t2i.safetensors", placement)
