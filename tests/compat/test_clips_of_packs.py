"""The text encoders inside a CLIP as packs use them: asked one by one, patched by name, told apart by class."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from nodes.compat.convert import inward
from nodes.diffusion.text.encoder import Encoding, TextEncoder
from tests.compat.tiny_models import STARTER, Host

LAYER = "clip_l.transformer.text_model.encoder.layers.0.mlp.fc1.weight"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("clips"))
    with made.running():
        yield made


@pytest.fixture(scope="module")
def clip(host: Host) -> Any:
    del host
    return sys.modules["comfy.sd"].load_checkpoint_guess_config(str(STARTER))[1]


def ours(host: Host, clip: Any, text: str) -> torch.Tensor:
    """What our own node makes of a prompt."""
    return host.run("CLIPTextEncode", clip=clip, text=text)[0].context


def test_an_encoder_by_itself_reads_weighted_tokens_as_our_node(host: Host, clip: Any):
    tokens = clip.tokenize("a (red:1.3) cat")
    context, pooled = clip.cond_stage_model.clip_l.encode_token_weights(tokens["l"])
    assert torch.equal(context, ours(host, clip, "a (red:1.3) cat"))
    assert torch.equal(clip.cond_stage_model.encode_token_weights(tokens)[1], pooled)


def test_weights_that_a_pack_has_changed_count(host: Host, clip: Any):
    tokens = clip.tokenize("a (red:1.3) cat")
    louder = {"l": [[(what, 1.0) for what, _ in chunk] for chunk in tokens["l"]]}
    made = clip.cond_stage_model.clip_l.encode_token_weights(louder["l"])[0]
    assert torch.equal(made, ours(host, clip, "a red cat"))


def test_options_choose_the_layer_until_they_are_reset(host: Host, clip: Any):
    tokens, stage = clip.tokenize("a cat"), clip.cond_stage_model
    stage.set_clip_options({"layer": -2})
    lower = host.run("CLIPSetLastLayer", clip=clip, stop_at_clip_layer=-2)
    assert torch.equal(stage.encode_token_weights(tokens)[0], ours(host, lower, "a cat"))
    stage.reset_clip_options()
    assert torch.equal(stage.encode_token_weights(tokens)[0], ours(host, clip, "a cat"))


def test_patches_by_name_change_a_clone_alone_and_cross_the_border(host: Host, clip: Any):
    weight = clip.get_key_patches()[LAYER][0][0]
    changed = clip.clone()
    assert changed.add_patches(
        {LAYER: ("diff", (torch.full_like(weight, 0.1),)), "none": (weight,)}, 0.5
    ) == [LAYER]
    before, after = ours(host, clip, "a cat"), ours(host, changed, "a cat")
    assert not torch.allclose(before, after, atol=1e-3)
    assert torch.allclose(changed.get_sd()[LAYER], weight + 0.05, atol=1e-3)
    assert torch.equal(before, ours(host, clip, "a cat"))
    assert inward(changed, "CLIP") != inward(clip, "CLIP")


def test_weights_can_be_loaded_under_the_names_of_the_whole_or_of_one_encoder(clip: Any):
    zeros = torch.zeros_like(clip.get_sd()[LAYER])
    for name in (LAYER, LAYER.removeprefix("clip_l.transformer.")):
        changed = clip.clone()
        missing, unexpected = changed.cond_stage_model._clip.load_sd({name: zeros, "other": zeros})
        assert changed.load_sd({name: zeros})[1] == []
        assert LAYER not in missing and len(missing) == 35 and len(unexpected) == 1
        assert not changed.get_sd()[LAYER].any()


def test_tokenizers_tell_their_words(clip: Any):
    tokens = clip.tokenize("a cat")["l"]
    one = clip.tokenizer.clip_l
    assert [word for _, word in clip.tokenizer.untokenize(tokens[0])[:4]] == [
        "<|startoftext|>", "a</w>", "cat</w>", "<|endoftext|>",
    ]  # fmt: skip
    assert tokens[0][3][0] == one.end_token and len(tokens[0]) == one.max_length
    assert one.tokenize_with_weights("a cat") == tokens


def test_the_patcher_of_a_clip_tells_and_takes_what_a_models_does(clip: Any):
    management = sys.modules["comfy.model_management"]
    management.load_models_gpu([clip.patcher])
    assert clip.load_model({}).is_clone(clip.patcher) and clip.patcher.is_clip
    assert clip.patcher.model_size() == sum(each.numel() * 4 for each in clip.get_sd().values())
    embeddings = clip.cond_stage_model.clip_l.transformer.text_model.embeddings
    assert embeddings.token_embedding.weight.shape == (1246, 192)


@pytest.mark.parametrize(
    ("names", "module", "kind"),
    [
        (("l",), "comfy.sd1_clip", "SD1ClipModel"),
        (("l", "g"), "comfy.sdxl_clip", "SDXLClipModel"),
        (("g",), "comfy.sdxl_clip", "SDXLRefinerClipModel"),
        (("l", "g", "t5xxl"), "comfy.text_encoders.sd3_clip", "SD3ClipModel"),
        (("l", "t5xxl"), "comfy.text_encoders.flux", "FluxClipModel"),
    ],
)
def test_classes_tell_families_apart(
    clip: Any, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], module: str, kind: str
):
    stage = sys.modules["nodes.compat.clip_stage"]

    class Loaded:
        def text(self, _recipe: Any) -> dict[str, None]:
            return dict.fromkeys(names)

        def __enter__(self) -> "Loaded":
            return self

        def __exit__(self, *_error: object) -> None: ...

    monkeypatch.setattr(stage, "session", Loaded)
    made = clip.cond_stage_model
    assert type(made) is getattr(sys.modules[module], kind)
    assert isinstance(getattr(made, stage.part_name(names[-1])), stage.SDClipModel)
    large = getattr(made, "clip_g", None)
    assert large is None or isinstance(large, sys.modules["comfy.sdxl_clip"].SDXLClipG)


def test_the_pooled_vector_comes_unprojected_where_it_is_asked_for(
    clip: Any, host: Host, monkeypatch: pytest.MonkeyPatch
):
    seen: list[bool] = []
    own = TextEncoder.encode_tokens

    def noted(self: TextEncoder, *given: Any) -> Encoding:
        seen.append(self.kind.projected)
        return own(self, *given)

    monkeypatch.setattr(TextEncoder, "encode_tokens", noted)
    clip.encode_from_tokens(clip.tokenize("a cat"), return_pooled="unprojected")
    assert seen == [False]


def test_what_a_pack_makes_itself_of_these_classes_is_refused(clip: Any):
    del clip
    standing = sys.modules["nodes.compat.standing"]
    for name, kind in (("comfy.sd1_clip", "SDTokenizer"), ("comfy.sdxl_clip", "SDXLClipModel")):
        own = type("Own", (getattr(sys.modules[name], kind),), {})
        with pytest.raises(standing.NotOffered, match="Own made by a pack"):
            own(device="cpu")
