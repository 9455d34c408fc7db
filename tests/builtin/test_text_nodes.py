"""Nodes that read prompts, on a tiny random text encoder in a workspace of its own."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from nodes.builtin import all_nodes
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Clip, Hook, HookGroup, HookKeyframe, HookKeyframeGroup, Span
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
