"""The host's names, called as packs call them: each as HOST_API states it."""

import importlib
import sys
import zlib
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from nodes.compat.install import install_names
from nodes.compat.standing import NotOffered
from nodes.compat.standing_page import page
from nodes.compat.standing_table import TABLE
from nodes.diffusion.more_schedules import align_your_steps, laplace

CHANCE = torch.Generator().manual_seed(7)


@pytest.fixture(scope="module", autouse=True)
def names():
    install_names()


def host(name: str) -> Any:
    return importlib.import_module(name)


# --- comfy.utils ----------------------------------------------------------------------------------------------------


def test_items_are_spread_or_repeated_to_a_batch():
    utils = host("comfy.utils")
    three = torch.arange(3.0)
    assert utils.resize_to_batch_size(three, 5).tolist() == [0, 0, 1, 2, 2]
    assert utils.resize_to_batch_size(torch.arange(5.0), 2).tolist() == [0, 4]
    assert utils.repeat_to_batch_size(three, 5).tolist() == [0, 1, 2, 0, 1]


def test_tiles_put_together_are_what_the_whole_is():
    utils = host("comfy.utils")
    picture = torch.rand(2, 3, 40, 56, generator=CHANCE)
    told = []

    class Bar:
        def update(self, value):
            told.append(value)

    made = utils.tiled_scale(
        picture, lambda tile: F.interpolate(tile, scale_factor=2), 32, 32, 8, 2, 3, pbar=Bar()
    )
    assert made.shape == (2, 3, 80, 112) and made.dtype == torch.float32
    assert torch.allclose(made, F.interpolate(picture, scale_factor=2), atol=1e-6)
    assert len(told) == 2 * utils.get_tiled_scale_steps(56, 40, 32, 32, 8)
    assert utils.get_tiled_scale_steps(128, 64, 64, 64, 8) == 3
    small = utils.tiled_scale_multidim(
        picture, lambda tile: F.avg_pool2d(tile, 4), (32, 32), 8, 4, downscale=True
    )
    assert torch.allclose(small, F.avg_pool2d(picture, 4), atol=1e-6)


def test_attributes_by_dotted_names_are_set_and_taken_away():
    utils = host("comfy.utils")
    layer = torch.nn.Sequential(torch.nn.Linear(2, 2))
    before = layer[0].weight
    assert utils.set_attr_param(layer, "0.weight", torch.ones(2, 2)) is before
    utils.copy_to_param(layer, "0.weight", torch.zeros(2, 2))
    assert not utils.get_attr(layer, "0.weight").any()
    layer.note = "x"
    assert utils.set_attr(layer, "note", utils.ATTR_UNSET) == "x" and not hasattr(layer, "note")


def test_latents_of_several_shapes_are_packed_into_one_and_back():
    utils = host("comfy.utils")
    latents = [torch.randn(2, 4, 3, 3, generator=CHANCE), torch.randn(2, 8, 5, generator=CHANCE)]
    packed, shapes = utils.pack_latents(latents)
    assert packed.shape == (2, 1, 4 * 9 + 40)
    assert all(torch.equal(a, b) for a, b in zip(utils.unpack_latents(packed, shapes), latents, strict=True))


def test_small_tools_of_weights():
    utils = host("comfy.utils")
    weights = {"a.x": torch.zeros(4, dtype=torch.float16), "a.y": torch.zeros(3), "b": torch.zeros(9)}
    assert utils.weight_dtype(weights, "a.") == torch.float16 and utils.weight_dtype({}) is None
    assert utils.calculate_parameters(weights, "a.") == 7
    assert utils.string_to_seed("weft") == zlib.crc32(b"weft")
    mask = utils.reshape_mask(torch.ones(8, 8), (2, 4, 3, 5))
    assert mask.shape == (2, 4, 3, 5) and (mask == 1).all()
    assert utils.lanczos(torch.rand(1, 1, 8, 8), 4, 6).shape == (1, 6, 4)


# --- comfy.model_management -----------------------------------------------------------------------------------------


@pytest.mark.skipif(torch.cuda.is_available(), reason="these are a processor's answers")
def test_what_a_processor_computes_in():
    management = host("comfy.model_management")
    assert management.unet_dtype() == management.vae_dtype() == torch.float32
    assert management.unet_manual_cast(torch.float16, torch.device("cpu")) == torch.float32
    assert management.unet_manual_cast(torch.float32, torch.device("cpu")) is None
    assert not management.should_use_fp16() and not management.should_use_bf16()
    assert management.cpu_state is management.CPUState.CPU
    assert management.vram_state is management.VRAMState.DISABLED
    assert management.total_ram > 100


def test_a_cast_that_changes_nothing_gives_the_same_tensor():
    management = host("comfy.model_management")
    weight = torch.ones(3)
    assert management.cast_to(weight) is weight
    assert management.cast_to_device(weight, "cpu", torch.float16).dtype == torch.float16
    assert management.cast_to(weight, copy=True) is not weight


# --- lists that packs read and append to ----------------------------------------------------------------------------


def test_lists_of_samplers_and_schedules_are_one_list_each():
    samplers = host("comfy.samplers")
    assert samplers.KSampler.SAMPLERS is samplers.SAMPLER_NAMES and len(samplers.SAMPLER_NAMES) == 44
    assert samplers.KSampler.SCHEDULERS is samplers.SCHEDULER_NAMES and len(samplers.SCHEDULER_NAMES) == 9


def test_start_noise_is_that_of_the_seed_and_items_get_the_draws_of_their_numbers():
    sample = host("comfy.sample")
    latents = torch.zeros(2, 4, 3, 3)
    drawn = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(5))
    assert torch.equal(sample.prepare_noise(latents, 5), drawn)
    one_by_one = sample.prepare_noise(torch.zeros(3, 4, 3, 3), 5, [3, 1, 1])
    generator = torch.Generator().manual_seed(5)
    each = [torch.randn(1, 4, 3, 3, generator=generator) for _ in range(4)]
    assert torch.equal(one_by_one, torch.cat([each[3], each[1], each[1]]))


# --- conditioning ---------------------------------------------------------------------------------------------------


def test_a_range_of_steps_splits_a_condition_in_three():
    helpers = host("node_helpers")
    tensor = torch.zeros(1, 2, 3)
    made = helpers.conditioning_set_values_with_timestep_range([[tensor, {"a": 1}]], {"b": 2}, 0.2, 0.6)
    ends = [(entry["start_percent"], entry["end_percent"]) for _, entry in made]
    assert ends == [(0.0, pytest.approx(0.2 - 1e-5)), (0.2, 0.6), (pytest.approx(0.6 + 1e-5), 1.0)]
    assert ["b" in entry for _, entry in made] == [False, True, False]
    assert all(each is tensor for each, _ in made)


def test_conditions_for_samplers_have_names_of_their_own_and_leave_the_given_ones_alone():
    given = [[torch.zeros(1, 2, 3), {"pooled_output": None}]]
    made = host("comfy.sampler_helpers").convert_cond(given)
    assert made[0]["cross_attn"] is given[0][0] and made[0]["model_conds"] == {}
    assert "uuid" in made[0] and set(given[0][1]) == {"pooled_output"}


def test_texts_of_other_lengths_are_joined_by_repeating_at_most_four_times():
    conds = host("comfy.conds")
    short, long = (conds.CONDCrossAttn(torch.randn(1, length, 8)) for length in (77, 154))
    assert short.can_concat(long) and short.concat([long]).shape == (2, 154, 8)
    assert not short.can_concat(conds.CONDCrossAttn(torch.randn(1, 77 * 5, 8)))
    cut = conds.CONDNoiseShape(torch.arange(16.0).reshape(1, 1, 4, 4)).process_cond(2, (2, 2, 1, 1))
    assert cut.cond[:, 0].tolist() == [[[5, 6], [9, 10]]] * 2


# --- layers and attention -------------------------------------------------------------------------------------------


def test_layers_that_cast_compute_in_their_inputs_type():
    ops = host("comfy.ops")
    layer = ops.manual_cast.Linear(4, 3, dtype=torch.float16)
    torch.nn.init.ones_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    assert layer(torch.ones(2, 4)).dtype == torch.float32
    plain = ops.disable_weight_init.Linear(4, 3, dtype=torch.float16)
    with pytest.raises(RuntimeError):
        plain(torch.ones(2, 4))
    plain.weight_function = [lambda weight: weight * 0]
    assert ops.pick_operations(torch.float16, torch.float32) is ops.manual_cast
    assert isinstance(ops.disable_weight_init.conv_nd(2, 1, 1, 1), torch.nn.Conv2d)


@pytest.mark.parametrize(
    "kind", ["Conv1d", "Conv2d", "ConvTranspose2d", "GroupNorm", "LayerNorm", "Embedding"]
)
def test_a_casting_layer_gives_what_torchs_gives(kind):
    ops = host("comfy.ops")
    sizes = {"GroupNorm": (2, 4), "LayerNorm": (4,), "Embedding": (10, 4)}.get(kind, (4, 4, 3))
    ours, theirs = getattr(ops.manual_cast, kind)(*sizes), getattr(torch.nn, kind)(*sizes)
    ours.load_state_dict(theirs.state_dict())
    given = {
        "Conv1d": torch.randn(1, 4, 9),
        "LayerNorm": torch.randn(2, 4),
        "Embedding": torch.tensor([[1, 2]]),
    }.get(kind, torch.randn(1, 4, 6, 6))
    assert torch.equal(ours(given), theirs(given))


def test_attention_takes_both_layouts_and_masks_and_can_be_replaced():
    attention = host("comfy.ldm.modules.attention")
    q, k, v = (torch.randn(2, length, 8, generator=CHANCE) for length in (5, 7, 7))
    flat = attention.optimized_attention(q, k, v, 2)
    heads = [each.reshape(2, -1, 2, 4).transpose(1, 2) for each in (q, k, v)]
    assert torch.allclose(flat, F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
    apart = attention.attention_basic(*heads, 2, skip_reshape=True, skip_output_reshape=True)
    assert apart.shape == (2, 2, 5, 4)
    hidden = torch.zeros(5, 7)
    hidden[:, 3:] = -torch.inf
    masked = attention.optimized_attention(q, k, v, 2, mask=hidden)
    assert torch.allclose(masked, attention.optimized_attention(q, k[:, :3], v[:, :3], 2), atol=1e-6)
    instead = {"optimized_attention_override": lambda func, *args, **more: func.__name__}
    assert attention.attention_split(q, k, v, 2, transformer_options=instead) == "attention_split"


def test_small_parts_of_networks():
    dit, util = host("comfy.ldm.common_dit"), host("comfy.ldm.modules.diffusionmodules.util")
    assert dit.pad_to_patch_size(torch.rand(1, 4, 5, 8)).shape == (1, 4, 6, 8)
    x = torch.randn(2, 8, generator=CHANCE)
    assert torch.allclose(dit.rms_norm(x), x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt())
    made = util.timestep_embedding(torch.tensor([0.0, 3.0]), 4)
    assert made[0].tolist() == [1, 1, 0, 0]
    assert made[1, 0] == pytest.approx(torch.cos(torch.tensor(3.0)).item())


# --- samplers' parts, options, formats ------------------------------------------------------------------------------


def test_steps_with_noise_are_split_as_published():
    parts = host("comfy.k_diffusion.sampling")
    down, up = parts.get_ancestral_step(2.0, 1.0)
    assert (round(down, 3), round(up, 3)) == (0.5, 0.866)
    x = torch.zeros(1, 4, 2, 2)
    assert torch.equal(parts.to_d(x + 3, torch.tensor([2.0]), x + 1), x + 1)
    fresh = parts.default_noise_sampler(x, 4)(1.0, 0.5)
    assert torch.equal(fresh, torch.randn(x.shape, generator=torch.Generator().manual_seed(5)))
    one, two = (parts.BrownianTreeNoiseSampler(x, 0.1, 10.0, seed=3) for _ in range(2))
    assert torch.equal(one(torch.tensor(9.0), torch.tensor(2.0)), two(torch.tensor(9.0), torch.tensor(2.0)))
    assert parts.get_sigmas_karras(4, 0.1, 10.0)[[0, -2, -1]].tolist() == pytest.approx([10.0, 0.1, 0.0])


def test_levels_of_noise_are_those_of_our_schedulers():
    parts, found = host("comfy.k_diffusion.sampling"), host("comfy_extras.nodes_align_your_steps")
    assert torch.equal(parts.get_sigmas_laplace(6, 0.1, 10.0, 0.5, 0.3), laplace(0.1, 10.0, 6, 0.5, 0.3))
    for kind, row in found.NOISE_LEVELS.items():
        few, many = align_your_steps(kind, 10, 1.0), align_your_steps(kind, 17, 1.0)
        assert row[:-1] == pytest.approx(few[:-1].tolist()) and 0.0 < row[-1] < row[-2]
        drawn = found.loglinear_interp(row, 18)
        assert drawn[:-1].tolist() == pytest.approx(many[:-1].tolist()) and drawn[-1] == pytest.approx(
            row[-1]
        )
    assert {*found.NOISE_LEVELS} == {"SD1", "SDXL", "SVD"}


def test_wrappers_are_called_from_the_first_registered_inwards():
    extension = host("comfy.patcher_extension")
    options: dict[str, Any] = {}
    for name in "ab":
        extension.add_wrapper_with_key(
            extension.WrappersMP.APPLY_MODEL, name, lambda go, x, name=name: name + go(x), options
        )
    wrappers = extension.get_all_wrappers("apply_model", options)
    executor = extension.WrapperExecutor.new_executor(lambda x: x, wrappers)
    assert executor.execute("!") == "ab!"
    merged = extension.merge_nested_dicts({"a": {"b": [1]}}, {"a": {"b": [2]}, "c": 3})
    assert merged == {"a": {"b": [1, 2]}, "c": 3}


def test_options_of_a_model_are_copied_where_they_change():
    patcher = host("comfy.model_patcher")
    inner = {"patches_replace": {"attn1": {("input", 1): "old"}}}
    given = {"transformer_options": inner}
    patcher.set_model_options_patch_replace(given, "new", "attn2", "middle", 0, 1)
    assert given["transformer_options"]["patches_replace"]["attn2"] == {("middle", 0, 1): "new"}
    assert inner["patches_replace"] == {"attn1": {("input", 1): "old"}}


def test_latent_formats_scale_as_their_families():
    formats = host("comfy.latent_formats")
    latents = torch.randn(1, 16, 2, 2, generator=CHANCE)
    flux = formats.Flux()
    assert torch.allclose(flux.process_out(flux.process_in(latents)), latents, atol=1e-6)
    assert (formats.SD15().scale_factor, formats.SD15.latent_channels, flux.latent_channels) == (
        0.18215,
        4,
        16,
    )


def test_numbers_of_eight_bits_are_rounded_to_neighbours_by_chance():
    rounding = host("comfy.float").stochastic_rounding
    value = torch.full((20000,), 1.03125)  # a quarter of the way from 1 to 1.125
    made = rounding(value, torch.float8_e4m3fn, seed=1).float()
    assert set(made.tolist()) == {1.0, 1.125}
    assert made.mean().item() == pytest.approx(1.03125, abs=0.003)
    assert torch.equal(rounding(value, torch.float16), value.half())


def test_names_of_types_that_differ_from_nothing():
    IO = host("comfy.comfy_types.node_typing").IO  # noqa: N806 - the host's name
    differs = [IO.ANY != "MODEL", IO.NUMBER != "INT", IO.STRING != "INT", IO.ANY == "MODEL"]
    assert differs == [False, False, True, False]


def test_weights_of_a_prompt():
    clip = host("comfy.sd1_clip")
    assert clip.token_weights("a (b:1.5) c", 1.0) == [("a ", 1.0), ("b", 1.5), (" c", 1.0)]
    assert clip.unescape_important(clip.escape_important(r"\(x\)")) == "(x)"


# --- stand-ins ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("module", sorted(TABLE))
def test_every_name_of_the_table_can_be_imported(module):
    found = host(module)
    assert all(hasattr(found, name) for name in TABLE[module].split())


def test_a_stand_in_can_be_derived_from_and_refuses_when_it_is_used():
    base = host("comfy.ldm.flux.model").Flux

    class Mine(base):
        def __init__(self):
            self.width = 3

    assert Mine().width == 3 and isinstance(Mine(), base)
    with pytest.raises(NotOffered, match=r"comfy\.ldm.*Flux, which Weft does not offer"):
        base()
    with pytest.raises(NotOffered, match="save_checkpoint"):
        host("comfy.sd").save_checkpoint(None, None, {}, 1, 1)
    with pytest.raises(NotOffered, match="UNET_MAP_BASIC"):
        dict(host("comfy.utils").UNET_MAP_BASIC)


def test_any_inner_part_of_a_network_can_be_imported_and_no_other_module():
    assert host("comfy.ldm.someones_new.model").Transformer
    with pytest.raises(ImportError):
        host("comfy.no_such_module")
    assert not hasattr(host("comfy.ldm.modules.attention"), "attention_of_tomorrow")


def test_the_list_for_people_is_the_one_that_is_kept(project):
    assert (project / "nodes" / "compat" / "STAND_INS.md").read_text() == page()


def test_a_module_lies_in_its_parent():
    assert sys.modules["comfy"].utils is sys.modules["comfy.utils"]
    assert host("comfy").ldm.modules.attention.optimized_attention
