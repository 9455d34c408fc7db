"""Nodes that read prompts, on a tiny random text encoder in a workspace of its own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodes.builtin import all_nodes, text_pictures
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Clip, Hook, HookGroup, HookKeyframe, HookKeyframeGroup, Span
from nodes.diffusion.vision_values import ClipVisionOutput
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models import tiny

NODES = {entry.spec.id: entry for entry in all_nodes()}


@dataclass
class Telling(Surroundings):
    """Remembers what the node says."""

    said: list[str] = field(default_factory=list[str])

    def say(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("workspace"))
    encoders, embeddings = (made.root / "models" / name for name in ("text_encoders", "embeddings"))
    for folder in (encoders, embeddings, made.root / "models" / "loras"):
        folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.clone() for name, tensor in tiny.text().state_dict().items()}
    save_file(state, encoders / "tiny.safetensors")
    save_file({"emb_params": torch.randn(2, tiny.CONTEXT)}, embeddings / "style.safetensors")
    (embeddings / "broken.safetensors").write_bytes(b"no tensors")
    name = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    parts = {
        f"{name}.lora_up.weight": torch.ones(96, 2),
        f"{name}.lora_down.weight": torch.ones(2, tiny.CONTEXT),
    }
    save_file(parts, made.root / "models" / "loras" / "style.safetensors")
    return made


@pytest.fixture
def ctx(workspace: Workspace) -> Telling:
    cpu = Placement(torch.device("cpu"), torch.float32, torch.float32)
    return Telling(workspace, {Pool: Pool(cpu, 10**9), ContentHashes: ContentHashes()})


@pytest.fixture
def clip(ctx: Telling) -> Clip:
    return NODES["CLIPLoader"].run(ctx, clip_name="tiny.safetensors", type="stable_diffusion")  # type: ignore[return-value]


def encode(ctx: Telling, clip: Clip, text: str, name: str = "CLIPTextEncode", **more: Any) -> Any:
    return NODES[name].run(ctx, text=text, clip=clip, **more)


def test_embeddings_come_from_the_workspace_by_name(ctx: Telling, clip: Clip):
    plain, styled = (encode(ctx, clip, text)[0].context for text in ("a cat", "a cat embedding:style"))
    assert ctx.said == [] and not torch.allclose(plain, styled)


@pytest.mark.parametrize(
    ("name", "said"), [("gone", "There is no embedding 'gone'"), ("broken", "cannot be read")]
)
def test_what_is_missing_or_broken_is_told_on_the_node_and_left_out(
    ctx: Telling, clip: Clip, name: str, said: str
):
    made = encode(ctx, clip, f"a embedding:{name} cat")[0].context
    assert torch.equal(made, encode(ctx, clip, "a cat")[0].context)
    assert any(said in line for line in ctx.said)


def test_a_file_without_a_text_encoder_is_refused_by_its_loader(ctx: Telling, workspace: Workspace):
    save_file({"x": torch.zeros(1)}, workspace.root / "models" / "text_encoders" / "other.safetensors")
    with pytest.raises(NodeError, match="is not a text encoder"):
        NODES["CLIPLoader"].run(ctx, clip_name="other.safetensors", type="sd3")


def test_no_text_encoder_is_told_in_words(ctx: Telling):
    with pytest.raises(NodeError, match="brought no text encoder"):
        encode(ctx, None, "a cat")  # type: ignore[arg-type]


def test_hooks_change_what_is_read_and_go_on_to_the_model(ctx: Telling, clip: Clip):
    hooks = NODES["CreateHookLora"].run(
        ctx, lora_name="style.safetensors", strength_model=1.0, strength_clip=0.5
    )
    hooked = NODES["SetClipHooks"].run(ctx, clip=clip, apply_to_conds=True, schedule_clip=False, hooks=hooks)
    plain, changed = encode(ctx, clip, "a cat")[0], encode(ctx, hooked, "a cat")[0]  # type: ignore[arg-type]
    assert not torch.allclose(plain.context, changed.context)
    assert plain.hooks is None and changed.hooks == hooks
    kept = NODES["SetClipHooks"].run(ctx, clip=clip, apply_to_conds=False, schedule_clip=False, hooks=hooks)
    assert encode(ctx, kept, "a cat")[0].hooks is None  # type: ignore[arg-type]


def test_a_scheduled_clip_reads_once_for_each_strength(ctx: Telling, clip: Clip):
    file = ContentHashes().reference(Path(ctx.files.find("loras", "style.safetensors")))
    keyframes = HookKeyframeGroup((HookKeyframe(0.0, 0.0), HookKeyframe(1.0, 0.5)))
    hooks = HookGroup((Hook(file, 1.0, 1.0, keyframes),))
    hooked = NODES["SetClipHooks"].run(ctx, clip=clip, apply_to_conds=True, schedule_clip=True, hooks=hooks)
    made = encode(ctx, hooked, "a cat")  # type: ignore[arg-type]
    assert [cond.read_for for cond in made] == [Span(0.0, 0.5), Span(0.5, 1.0)]
    assert torch.equal(made[0].context, encode(ctx, clip, "a cat")[0].context)
    assert not torch.allclose(made[0].context, made[1].context)


def test_a_prompt_with_a_schedule_is_read_for_each_share_of_the_run(ctx: Telling, clip: Clip):
    made = encode(ctx, clip, "a [cat:dog:0.5] BREAK red AND sky :0.5", "WeftScheduledPrompt", steps=10)
    assert [(cond.span, cond.strength) for cond in made] == [
        (Span(0.0, 0.5), None),
        (Span(0.5, 1.0), None),
        (None, 0.5),
    ]
    assert [cond.context.shape[1] for cond in made] == [154, 154, 77]
    assert torch.equal(made[1].context[:, :77], encode(ctx, clip, "a dog")[0].context)
    assert torch.equal(made[1].context[:, 77:], encode(ctx, clip, "red")[0].context)


def test_a_plain_prompt_stays_as_it_is_written(ctx: Telling, clip: Clip):
    literal, scheduled = encode(ctx, clip, "[cat:dog:0.5]"), encode(ctx, clip, "cat")
    assert len(literal) == 1 and not torch.equal(literal[0].context, scheduled[0].context)


# --- types, pictures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ace", "omnigen2"])
def test_a_type_that_nothing_reads_is_named_by_the_loader(ctx: Telling, kind: str):
    with pytest.raises(NodeError, match=f"of type {kind} cannot be read"):
        NODES["CLIPLoader"].run(ctx, clip_name="tiny.safetensors", type=kind)
    names = {"clip_name1": "tiny.safetensors", "clip_name2": "tiny.safetensors"}
    with pytest.raises(NodeError, match=r"newbie.* Jina CLIP beside Gemma 3"):
        NODES["DualCLIPLoader"].run(ctx, **names, type="newbie")


def test_an_encoder_that_nothing_reads_is_named_by_the_loader(ctx: Telling, workspace: Workspace):
    names = (
        "embed_tokens",
        "layers.0.self_attn.q_proj",
        "layers.0.self_attn.q_norm",
        "layers.0.post_feedforward_layernorm",
    )
    state = {f"model.{name}.weight": torch.zeros(4, 4) for name in names}
    save_file(state, workspace.root / "models" / "text_encoders" / "gemma3.safetensors")
    with pytest.raises(NodeError, match=r"gemma3\.safetensors cannot be read: it is Gemma 3"):
        NODES["CLIPLoader"].run(ctx, clip_name="gemma3.safetensors", type="ltxv")


@pytest.mark.parametrize(
    "text", ["", "\ud800", "\x00\x1b", "(a:nan)", "(a:1e400)", "((((", "))))", "\u202e\u05e9"]
)
def test_no_text_is_too_odd_to_read(ctx: Telling, clip: Clip, text: str):
    for name, more in (("CLIPTextEncode", {}), ("WeftScheduledPrompt", {"steps": 3})):
        made = encode(ctx, clip, text, name, **more)
        assert made[0].context.isfinite().all() and made[0].context.shape == (1, 77, tiny.CONTEXT)


def test_too_many_brackets_are_told_on_the_node(ctx: Telling, clip: Clip):
    with pytest.raises(NodeError, match="more than 50 deep"):
        encode(ctx, clip, "[a|" * 60 + "]" * 60, "WeftScheduledPrompt", steps=3)


@pytest.fixture(scope="module")
def seeing(workspace: Workspace) -> str:
    from tests.diffusion.test_text_pipeline_parity import CASES

    folder = workspace.root / "models" / "text_encoders"
    _, path = CASES[0].file(folder)
    path.rename(folder / "qwen.safetensors")
    (workspace.root / "models" / "vae").mkdir(parents=True, exist_ok=True)
    save_file(tiny.original_vae(""), workspace.root / "models" / "vae" / "tiny.safetensors")
    return "qwen.safetensors"


def test_qwen_s_editing_nodes_show_pictures_to_encoder_and_model(
    ctx: Telling, seeing: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text_pictures, "PIXELS", 64 * 64)
    monkeypatch.setattr(text_pictures, "GLANCE", 56 * 56)
    clip = NODES["CLIPLoader"].run(ctx, clip_name=seeing, type="qwen_image")
    vae = NODES["VAELoader"].run(ctx, vae_name="tiny.safetensors")
    wide, tall = torch.rand(1, 40, 90, 3), torch.rand(1, 100, 30, 4)
    edit, plus = NODES["TextEncodeQwenImageEdit"], NODES["TextEncodeQwenImageEditPlus"]
    alone: Any = edit.run(ctx, clip=clip, prompt="red")
    assert torch.equal(alone[0].context, encode(ctx, clip, "red")[0].context)  # type: ignore[arg-type]
    shown: Any = edit.run(ctx, clip=clip, prompt="red", image=wide, vae=vae)
    assert shown[0].context.shape[1] > alone[0].context.shape[1]
    assert [tuple(one.shape) for one in shown[0].extra["reference_latents"]] == [(1, 4, 5, 12)]
    both: Any = plus.run(ctx, clip=clip, prompt="red", image1=wide, image3=tall, vae=vae)
    assert [tuple(one.shape) for one in both[0].extra["reference_latents"]] == [(1, 4, 5, 12), (1, 4, 15, 4)]
    other: Any = plus.run(ctx, clip=clip, prompt="red", image1=wide, image2=tall)
    assert "reference_latents" not in other[0].extra
    assert not torch.equal(both[0].context, other[0].context)  # it is called Picture 3, not 2


def test_encoders_without_eyes_say_so_on_the_node(ctx: Telling, clip: Clip):
    with pytest.raises(NodeError, match="see no pictures"):
        NODES["TextEncodeQwenImageEdit"].run(ctx, clip=clip, prompt="red", image=torch.rand(1, 8, 8, 3))
    blind = ClipVisionOutput(None, torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
    with pytest.raises(NodeError, match="has no projector"):
        NODES["TextEncodeHunyuanVideo_ImageToVideo"].run(ctx, clip=clip, clip_vision_output=blind, prompt="a")
