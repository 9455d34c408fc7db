"""U-Nets in the field's form: their layers by themselves, our networks seen through them, and what packs change there."""

import sys
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from nodes.compat.convert import inward
from nodes.compat.surgery.asking import within
from nodes.compat.surgery.inside import UnetPatches
from nodes.compat.unets.seen import changed, seen
from nodes.diffusion.models.load import Placement, load_network
from tests.compat.tiny_models import NEAR, Host
from tests.diffusion.models.test_unet_families import CASES, TIMES, inputs, seeded, write

KINDS = ("SD1 inpainting", "SD2.1 unCLIP", "XL", "SSD-1B", "x4 upscaler")
OPENAI = "comfy.ldm.modules.diffusionmodules.openaimodel"
ATTENTION = "comfy.ldm.modules.attention"
BLOCK = "diffusion_model.middle_block.1.transformer_blocks.0"


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    made = Host(tmp_path_factory.mktemp("unets"))
    with made.running():
        yield made


@pytest.fixture
def placement() -> Placement:
    return Placement(torch.device("cpu"), torch.float32, torch.float32)


@pytest.fixture(scope="module")
def plain(host: Host) -> torch.Tensor:
    return host.sampled(host.recipe)


@pytest.fixture
def attention(host: Host) -> Any:
    del host
    return sys.modules[ATTENTION]


@pytest.fixture
def openai(host: Host) -> Any:
    del host
    return sys.modules[OPENAI]


def near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, atol=NEAR, rtol=NEAR)


# --- the layers -------------------------------------------------------------------------------------------------------


def test_a_unet_that_a_pack_builds_answers_as_ours_with_the_same_weights(host: Host, openai: Any):
    patcher = host.patcher()
    made = openai.UNetModel(
        image_size=16, in_channels=4, out_channels=4, model_channels=64, num_res_blocks=1, channel_mult=(1, 2, 3),
        num_heads=4, use_spatial_transformer=True, transformer_depth=[0, 0, 1], transformer_depth_middle=1,
        transformer_depth_output=[0, 0, 0, 0, 1, 1], context_dim=192,
    )  # fmt: skip
    weights = patcher.model_state_dict("diffusion_model.")
    made.load_state_dict({name.removeprefix("diffusion_model."): each for name, each in weights.items()})
    latents, text = torch.randn(2, 4, 15, 17), torch.randn(2, 77, 192)
    ours = patcher.model.loaded()(latents, TIMES, text)
    assert near(made(latents, timesteps=TIMES, context=text), ours)


@pytest.mark.parametrize("name", KINDS)
def test_every_unet_answers_through_its_tree_as_by_itself(
    host: Host, name: str, tmp_path: Any, placement: Any
):
    del host
    case = CASES[name]
    module, told = seeded(case.unet()), inputs(case)
    network = load_network(write("original", case, module, tmp_path), placement)
    latents, text = torch.randn(2, 4, 8, 8), torch.randn(2, 7, module.config.cross_attention_dim)
    ours = network(latents, TIMES, text, inputs=told)
    with within({}, {}, by_parts=True):
        assert torch.allclose(network(latents, TIMES, text, inputs=told), ours, atol=1e-4, rtol=1e-4)
    assert not changed(network)


def test_layers_for_films_blend_frames_with_what_is_across_them(openai: Any, attention: Any):
    torch.manual_seed(0)
    block = seeded(openai.VideoResBlock(32, 64, 0.0, [3, 1, 1], "fixed", 1.0))
    film, emb = torch.randn(6, 32, 4, 4), torch.randn(6, 64)
    assert near(block(film, emb, 3, None), openai.ResBlock.forward(block, film, emb))
    block.time_mixer.mix_factor.fill_(0.25)
    assert not near(block(film, emb, 3, None), openai.ResBlock.forward(block, film, emb))
    made = seeded(
        attention.SpatialVideoTransformer(32, 2, 16, context_dim=8, time_context_dim=8, merge_factor=1.0)
    )
    text = torch.randn(6, 5, 8)
    alone = attention.SpatialTransformer.forward(made, film, text, {})
    assert near(made(film, text, time_context=text, timesteps=3, transformer_options={}), alone)


def test_blocks_change_the_size_and_can_be_derived_from(openai: Any):
    picture = torch.randn(1, 32, 8, 6)
    assert openai.Downsample(32, use_conv=False)(picture).shape == (1, 32, 4, 3)
    assert openai.Downsample(32, True, out_channels=16)(picture).shape == (1, 16, 4, 3)
    assert openai.Upsample(32, False)(picture, output_shape=[1, 32, 15, 11]).shape == (1, 32, 15, 11)

    class Doubles(openai.TimestepBlock):
        def forward(self, x: Any, emb: Any) -> Any:
            return x * emb

    row = openai.TimestepEmbedSequential(Doubles(), openai.Upsample(32, False))
    assert torch.equal(row(picture, 2.0)[..., ::2, ::2], picture * 2.0)


def test_a_blender_that_has_learned_takes_pictures_as_they_are():
    blender = sys.modules["comfy.ldm.modules.diffusionmodules.util"].AlphaBlender(0.0)
    spatial, across = torch.ones(4, 1, 1), torch.zeros(4, 1, 1)
    made = blender(spatial, across, torch.tensor([[1, 0], [0, 1]]))
    assert made.flatten().tolist() == [1.0, 0.5, 0.5, 1.0]


# --- our networks through them ----------------------------------------------------------------------------------------


def test_a_model_shows_the_fields_tree_of_parts(host: Host, openai: Any, attention: Any):
    net = host.patcher().model.diffusion_model
    assert isinstance(net, openai.UNetModel)
    assert len(net.input_blocks), len(net.output_blocks) == (6, 6)
    assert net.model_channels == 64 and net.num_classes is None
    found = [name for name, part in net.named_modules() if isinstance(part, attention.BasicTransformerBlock)]
    assert f"diffusion_model.{found[1]}" == BLOCK
    weight = net.middle_block[1].transformer_blocks[0].attn2.to_k.weight
    assert weight.shape == (192, 192)
    names = {name.removeprefix("diffusion_model.") for name in host.patcher().model_state_dict()}
    assert {name for name, _ in net.middle_block.named_parameters(prefix="middle_block")} <= names


def test_a_part_in_the_place_of_another_is_heard_in_that_clone_alone(host: Host, plain: torch.Tensor):
    model, calls = host.patcher(), []
    before = model.get_model_object(f"{BLOCK}.attn2.forward")

    def half(*given: Any, **more: Any) -> Any:
        calls.append(more["transformer_options"]["block"])
        return before(*given, **more) * 0.5

    model.add_object_patch(f"{BLOCK}.attn2.forward", half)
    made = host.sampled(model)
    assert calls == [("middle", 0)] * 2 and not near(made, plain)
    assert near(host.sampled(host.patcher()), plain)

    by_patch = host.patcher()
    by_patch.set_model_attn2_output_patch(lambda n, extra: n * 0.5 if extra["block"][0] == "middle" else n)
    assert near(made, host.sampled(by_patch))


def test_a_layer_in_the_place_of_another_is_heard(host: Host, plain: torch.Tensor):
    class Louder(nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Any) -> Any:
            return self.layer(x) * 1.1

    model = host.patcher()
    name = "diffusion_model.out.2"
    model.add_object_patch(name, Louder(model.get_model_object(name)))
    assert not near(host.sampled(model), plain)
    assert near(host.sampled(host.recipe), plain)


def test_what_a_pack_does_to_all_blocks_is_heard_in_models_that_it_has_not_touched(
    host: Host, plain: torch.Tensor, attention: Any, monkeypatch: pytest.MonkeyPatch
):
    before, seen_at = attention.BasicTransformerBlock.forward, []

    def heard(self: Any, x: Any, context: Any = None, transformer_options: Any = None) -> Any:
        seen_at.append(transformer_options["block"])
        return before(self, x, context, transformer_options)

    monkeypatch.setattr(attention.BasicTransformerBlock, "forward", heard)
    assert near(host.sampled(host.recipe), plain)
    assert seen_at[:2] == [("input", 5), ("middle", 0)]


def test_attention_that_a_pack_replaces_is_used_by_models_that_it_has_not_touched(
    host: Host, plain: torch.Tensor, attention: Any, monkeypatch: pytest.MonkeyPatch
):
    before, calls = attention.optimized_attention, []

    def counted(*given: Any, **more: Any) -> Any:
        calls.append(1)
        return before(*given, **more)

    monkeypatch.setattr(attention, "optimized_attention", counted)
    assert near(host.sampled(host.recipe), plain) and len(calls) == 16
    calls.clear()
    model = host.patcher()
    model.set_model_unet_function_wrapper(
        lambda apply, args: apply(args["input"], args["timestep"], **args["c"])
    )
    assert near(host.sampled(model), plain) and len(calls) == 16  # once for each attention, not twice


def test_layers_that_a_pack_puts_into_blocks_are_called_by_its_function(host: Host, plain: torch.Tensor):
    class Motion(nn.Module):
        """As packs for films have it: layers of their own, put in while a model samples."""

        def forward(self, x: Any) -> Any:
            return x * 1.05

    calls: list[Any] = []

    def call(layer: Any, x: Any, emb: Any, context: Any, options: Any, *rest: Any) -> Any:
        calls.append((tuple(emb.shape), len(context), options["block"], len(rest)))
        return layer(x)

    model, motion = host.patcher(), Motion()
    inject = sys.modules["comfy.patcher_extension"].PatcherInjection(
        inject=lambda patcher: patcher.model.diffusion_model.input_blocks[1].append(motion),
        eject=lambda patcher: patcher.model.diffusion_model.input_blocks[1].__delitem__(-1),
    )
    model.set_injections("motion", [inject])
    model.set_model_forward_timestep_embed_patch((Motion, call))
    made = host.sampled(model)
    assert calls == [((2, 256), 2, ("input", 1), 4)] * 2
    assert not near(made, plain) and near(host.sampled(host.recipe), plain)


def test_a_function_set_on_a_part_in_place_is_heard_until_it_is_taken_away(host: Host, plain: torch.Tensor):
    part = host.patcher().model.diffusion_model.middle_block[1].transformer_blocks[0].attn1
    before, calls = part.forward, []
    part.forward = lambda *given, **more: (calls.append(1), before(*given, **more) * 2)[1]
    assert not near(host.sampled(host.recipe), plain) and len(calls) == 2
    del part.forward
    assert near(host.sampled(host.recipe), plain)


def test_what_cannot_be_heard_together_is_refused(host: Host):
    standing = sys.modules["nodes.compat.standing"]
    model = inward(host.patcher(), "MODEL")
    freed = host.patcher(host.run("FreeU", model=model, b1=1.1, b2=1.2, s1=0.9, s2=0.2))
    freed.add_object_patch(f"{BLOCK}.ff.forward", lambda x: x)
    with pytest.raises(standing.NotOffered, match="together with what a node of Weft changes inside it"):
        host.sampled(freed)


def test_numbers_of_transformers_run_on_as_the_fields_tree_counts_them(tmp_path: Any, placement: Any):
    """An XL model has 11 of them, with up to ten blocks each."""
    case = CASES["XL"]
    network = load_network(write("original", case, seeded(case.unet()), tmp_path), placement)
    numbers: list[dict[Any, int]] = []
    for by_parts in (False, True):
        found: dict[Any, int] = {}

        def note(n: Any, extra: Any, found: Any = found) -> Any:
            found[(*extra["block"], extra["block_index"])] = extra["transformer_index"]
            return n

        options: dict[str, Any] = {"patches": {"attn1_output_patch": [note]}}
        latents, text = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 48)
        patches = UnetPatches(options, network.module, latents, TIMES, text)
        with within(options, {}, by_parts=by_parts):
            more = {} if by_parts else {"changes": patches.changes()}
            network(latents, TIMES, text, inputs=inputs(case), **more)
        numbers.append(found)
    assert numbers[0] == numbers[1]
    assert numbers[0][("middle", 0, 2)] == 4 and max(numbers[0].values()) == 10
    assert seen(network).net.num_classes == "sequential"
