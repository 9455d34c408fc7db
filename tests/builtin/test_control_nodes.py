"""Control nets through nodes, on the starter model: chained, in a part of a run or a region, several hints, odd families."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, SD3ControlNetModel, T2IAdapter, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn

from nodes.builtin import all_nodes
from nodes.builtin.previews import Previews
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Cond, ControlNet, Latent, Model
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

NODES = {entry.spec.id: entry for entry in all_nodes()}
STARTER = Path(__file__).parents[2] / "nodes" / "starter" / "weft-starter-v0"
CPU = torch.device("cpu")
HINTS = torch.rand(2, 40, 64, 3, generator=torch.Generator().manual_seed(1))
TEXTS = tuple(torch.linspace(-1, end, 77 * 192).reshape(1, 77, 192) for end in (2.0, 1.0))
PROMPTS = tuple((Cond(text),) for text in TEXTS)


def kept(module: nn.Module, path: Path, seed: int = 2) -> None:
    chance = torch.Generator().manual_seed(seed)
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    for name, tensor in state.items():
        if name.startswith("controlnet_") or not isinstance(module, ControlNetModel):
            tensor.copy_(torch.randn(tensor.shape, generator=chance) * 0.2)
    save_file(state, path)


@pytest.fixture(scope="module")
def ctx(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    home = tmp_path_factory.mktemp("home")
    (home / "models" / "controlnet").mkdir(parents=True, exist_ok=True)
    unet = UNet2DConditionModel.from_pretrained(STARTER / "unet")
    folder = home / "models" / "controlnet"
    kept(ControlNetModel.from_unet(unet), folder / "edges.safetensors")
    kept(ControlNetModel.from_unet(unet), folder / "depth.safetensors", 3)
    kept(T2IAdapter(channels=[320, 640]), folder / "adapter.safetensors")
    large = SD3ControlNetModel(
        num_layers=1, num_attention_heads=1, caption_projection_dim=64, joint_attention_dim=24
    )
    kept(large, folder / "large.safetensors")
    workspace = Workspace(home)
    pool = Pool(Placement(CPU, torch.float32, torch.float32), 10**9)
    given = {Pool: pool, Previews: Previews(workspace, CPU), ContentHashes: ContentHashes()}
    return Surroundings(workspace, given, previews=False)


def run(ctx: Surroundings, name: str, **inputs: object) -> Any:
    return NODES[name].run(ctx, **inputs)


def net(ctx: Surroundings, name: str) -> ControlNet:
    return run(ctx, "ControlNetLoader", control_net_name=f"{name}.safetensors")


def applied(ctx: Surroundings, sides: Any, name: str, image: Tensor = HINTS, **more: Any) -> Any:
    given = {"strength": 0.8, "start_percent": 0.0, "end_percent": 1.0} | more
    positive, negative = sides
    return run(
        ctx,
        "ControlNetApplyAdvanced",
        positive=positive,
        negative=negative,
        control_net=net(ctx, name),
        image=image,
        **given,
    )


def drawn(ctx: Surroundings, sides: Any, batch: int = 1, steps: int = 1) -> Tensor:
    positive, negative = sides
    latent: Latent = run(
        ctx,
        "KSampler",
        model=Model(ContentHashes().reference(STARTER)),
        positive=positive,
        negative=negative,
        latent_image=Latent(torch.zeros(batch, 4, 8, 8)),
        seed=5,
        steps=steps,
        cfg=3.0,
        sampler_name="euler",
        scheduler="normal",
        denoise=1.0,
    )
    return latent.samples


def test_no_strength_and_no_share_of_the_run_change_nothing(ctx: Surroundings):
    assert applied(ctx, PROMPTS, "edges", strength=0.0) == PROMPTS
    plain = drawn(ctx, PROMPTS, steps=2)
    never = applied(ctx, PROMPTS, "edges", start_percent=0.999, end_percent=0.9999)
    assert torch.equal(drawn(ctx, never, steps=2), plain)
    late = drawn(ctx, applied(ctx, PROMPTS, "edges", start_percent=0.3), steps=2)
    always = drawn(ctx, applied(ctx, PROMPTS, "edges"), steps=2)
    assert not torch.allclose(late, plain, atol=1e-3) and not torch.allclose(late, always, atol=1e-3)


def test_chained_nets_add_up_in_any_order(ctx: Surroundings):
    one, other = applied(ctx, PROMPTS, "edges"), applied(ctx, PROMPTS, "depth")
    both = drawn(ctx, applied(ctx, one, "depth"))
    assert torch.allclose(both, drawn(ctx, applied(ctx, other, "edges")), atol=1e-5)
    twice = drawn(ctx, applied(ctx, applied(ctx, PROMPTS, "edges", strength=0.3), "edges", strength=0.5))
    assert torch.allclose(twice, drawn(ctx, one), atol=1e-4)
    alone = [drawn(ctx, one), drawn(ctx, other)]
    assert all(not torch.allclose(both, each, atol=1e-3) for each in alone)


def test_hints_go_round_over_the_batch(ctx: Surroundings):
    made = drawn(ctx, applied(ctx, PROMPTS, "edges"), batch=3)
    again = drawn(ctx, applied(ctx, PROMPTS, "edges", HINTS[[0, 1, 0]]), batch=3)
    assert torch.equal(made, again)
    assert not torch.allclose(
        made[1:2], drawn(ctx, applied(ctx, PROMPTS, "edges", HINTS[:1]), batch=3)[1:2], atol=1e-3
    )


def test_a_net_on_one_region_leaves_the_other_alone_in_a_step(ctx: Surroundings):
    left, right = (
        run(ctx, "ConditioningSetArea", conditioning=PROMPTS[0], width=32, height=64, x=x, y=0, strength=1.0)
        for x in (0, 32)
    )
    steered = applied(ctx, (left, PROMPTS[1]), "edges")[0]
    plain, other = (drawn_once(ctx, (*side, *right)) for side in (left, steered))
    assert torch.equal(plain[..., 4:], other[..., 4:])
    assert not torch.allclose(plain[..., :4], other[..., :4], atol=1e-3)


def drawn_once(ctx: Surroundings, positive: Any) -> Tensor:
    latent = run(
        ctx,
        "KSampler",
        model=Model(ContentHashes().reference(STARTER)),
        positive=positive,
        negative=(),
        latent_image=Latent(torch.zeros(1, 4, 8, 8)),
        seed=5,
        steps=1,
        cfg=1.0,
        sampler_name="euler",
        scheduler="normal",
        denoise=1.0,
    )
    return latent.samples


def test_the_old_node_lends_its_net_to_the_negative_side(ctx: Surroundings):
    given = {"control_net": net(ctx, "edges"), "image": HINTS, "strength": 0.8}
    positive = run(ctx, "ControlNetApply", conditioning=PROMPTS[0], **given)
    assert torch.equal(drawn(ctx, (positive, PROMPTS[1])), drawn(ctx, applied(ctx, PROMPTS, "edges")))


def test_a_net_that_reads_no_mask_takes_the_picture_alone(ctx: Surroundings):
    positive, negative = PROMPTS
    masked = run(
        ctx,
        "ControlNetInpaintingAliMamaApply",
        positive=positive,
        negative=negative,
        control_net=net(ctx, "edges"),
        vae=None,
        image=HINTS,
        mask=torch.ones(1, 40, 64),
        strength=0.8,
        start_percent=0.0,
        end_percent=1.0,
    )
    assert torch.equal(drawn(ctx, masked), drawn(ctx, applied(ctx, PROMPTS, "edges")))


@pytest.mark.parametrize(
    ("name", "family"), [("large", "Stable Diffusion 3"), ("adapter", "Stable Diffusion 1 or 2")]
)
def test_a_net_of_another_family_is_refused_by_name(ctx: Surroundings, name: str, family: str):
    said = rf"{name}\.safetensors was made for {family}; the model is Stable Diffusion 1\."
    with pytest.raises(NodeError, match=said):
        drawn(ctx, applied(ctx, PROMPTS, name))
