"""LoRAs: every layout of the field changes the same weights by the same amount, and leaves no trace when taken off."""

import pytest
import torch
from safetensors.torch import save_file

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.lora_files import Strong, read_lora
from nodes.diffusion.lora_names import NETWORK_PREFIXES, TEXT_PREFIXES
from nodes.diffusion.models.families.unets import SD1
from nodes.diffusion.models.load import original_places, text_aliases
from nodes.diffusion.patches import Patcher
from tests.diffusion.models import tiny

QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"
OUT = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0"
CONV = "down_blocks.0.resnets.0.conv1"
RANK = 3
CHANCE = torch.Generator().manual_seed(4)
UP, DOWN = torch.randn(32, RANK, generator=CHANCE), torch.randn(RANK, 32, generator=CHANCE)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=CHANCE)


def patcher():
    module = tiny.unet()
    return module, Patcher(module, NETWORK_PREFIXES, places=original_places(SD1, module))


def weight(module, place=QUERY) -> torch.Tensor:
    found = module.get_submodule(place).weight
    assert isinstance(found, torch.Tensor)
    return found


def put_on(tmp_path, tensors, strength=1.0, place=QUERY):
    """The change of one weight."""
    save_file(tensors, tmp_path / "lora.safetensors")
    module, patches = patcher()
    before = weight(module, place).clone()
    patches.put_on([Strong(read_lora(tmp_path / "lora.safetensors"), strength)])
    assert patches.unmatched == ()
    return weight(module, place) - before


LAYOUTS = {
    "kohya": (
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        ".lora_down.weight",
        ".lora_up.weight",
    ),
    "kohya, original names": (
        "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q",
        ".lora_down.weight",
        ".lora_up.weight",
    ),
    "peft": (f"unet.{QUERY}", ".lora_A.weight", ".lora_B.weight"),
    "diffusers": (f"unet.{QUERY}", ".lora.down.weight", ".lora.up.weight"),
    "first diffusers": (
        f"unet.{QUERY.removesuffix('.to_q')}.processor.to_q",
        "_lora.down.weight",
        "_lora.up.weight",
    ),
    "original": (
        "diffusion_model.input_blocks.1.1.transformer_blocks.0.attn1.to_q",
        ".lora_A.weight",
        ".lora_B.weight",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_changes_the_same_weight(layout, tmp_path):
    name, down, up = LAYOUTS[layout]
    change = put_on(tmp_path, {name + down: DOWN, name + up: UP}, 0.5)
    assert torch.allclose(change, 0.5 * UP @ DOWN, atol=1e-5)


def test_the_first_trainers_name_of_the_last_layer_of_attention(tmp_path):
    name = f"unet.{OUT.removesuffix('.to_out.0')}.processor.to_out"
    change = put_on(tmp_path, {f"{name}_lora.down.weight": DOWN, f"{name}_lora.up.weight": UP}, place=OUT)
    assert torch.allclose(change, UP @ DOWN, atol=1e-5)


def test_alpha_over_rank_scales(tmp_path):
    tensors = {
        f"unet.{QUERY}.lora_A.weight": DOWN,
        f"unet.{QUERY}.lora_B.weight": UP,
        f"unet.{QUERY}.alpha": torch.tensor(1.5),
    }
    assert torch.allclose(put_on(tmp_path, tensors), UP @ DOWN * 1.5 / RANK, atol=1e-5)


def test_a_convolution_changes_as_its_two_halves_in_turn(tmp_path):
    up, down = drawn(32, RANK, 1, 1), drawn(RANK, 32, 3, 3)
    tensors = {f"unet.{CONV}.lora_A.weight": down, f"unet.{CONV}.lora_B.weight": up}
    change, picture = put_on(tmp_path, tensors, place=CONV), drawn(1, 32, 6, 6)
    halves = torch.conv2d(torch.conv2d(picture, down, padding=1), up)
    assert torch.allclose(torch.conv2d(picture, change, padding=1), halves, atol=1e-3)


def test_a_convolution_with_a_middle_changes_as_its_three_parts_in_turn(tmp_path):
    up, middle, down = drawn(32, RANK, 1, 1), drawn(RANK, RANK, 3, 3), drawn(RANK, 32, 1, 1)
    names = dict(zip(("lora_up", "lora_mid", "lora_down"), (up, middle, down), strict=True))
    tensors = {f"unet.{CONV}.{name}.weight": tensor for name, tensor in names.items()}
    change, picture = put_on(tmp_path, tensors, place=CONV), drawn(1, 32, 6, 6)
    parts = torch.conv2d(torch.conv2d(torch.conv2d(picture, down), middle, padding=1), up)
    assert torch.allclose(torch.conv2d(picture, change, padding=1), parts, atol=1e-3)


def test_a_product_of_two_pairs(tmp_path):
    parts = {
        "hada_w1_a": drawn(32, 2),
        "hada_w1_b": drawn(2, 32),
        "hada_w2_a": drawn(32, 2),
        "hada_w2_b": drawn(2, 32),
    }
    change = put_on(tmp_path, {f"unet.{QUERY}.{name}": tensor for name, tensor in parts.items()})
    one, two = parts["hada_w1_a"] @ parts["hada_w1_b"], parts["hada_w2_a"] @ parts["hada_w2_b"]
    assert torch.allclose(change, one * two, atol=1e-5)


def test_given_lengths_of_rows_are_kept(tmp_path):
    lengths = drawn(32, 1).abs()
    tensors = {
        f"unet.{QUERY}.lora_A.weight": DOWN,
        f"unet.{QUERY}.lora_B.weight": UP,
        f"unet.{QUERY}.dora_scale": lengths,
    }
    change = put_on(tmp_path, tensors)
    assert torch.allclose((weight(tiny.unet()) + change).norm(dim=1), lengths[:, 0], atol=1e-5)


def test_differences_change_weight_and_bias(tmp_path):
    kernel, bias = drawn(32, 32, 3, 3), drawn(32)
    save_file({f"unet.{CONV}.diff": kernel, f"unet.{CONV}.diff_b": bias}, tmp_path / "a.safetensors")
    module, patches = patcher()
    had = module.get_submodule(CONV).bias.clone()
    patches.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 2.0)])
    assert torch.allclose(module.get_submodule(CONV).bias, had + 2 * bias, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_taken_off_the_weights_are_the_very_same(dtype, tmp_path):
    tensors = {f"unet.{name}.lora_A.weight": DOWN.clone() for name in (QUERY, OUT)}
    tensors |= {f"unet.{name}.lora_B.weight": UP.clone() for name in (QUERY, OUT)}
    save_file(tensors, tmp_path / "a.safetensors")
    module, patches = patcher()
    module.to(dtype)
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    patches.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 0.7)] * 2)
    assert not torch.equal(weight(module), before[f"{QUERY}.weight"])
    patches.take_off()
    after = module.state_dict()
    assert list(after) == list(before) and all(torch.equal(after[name], before[name]) for name in before)
    assert patches.size == 0


def test_several_are_summed_in_single_precision_and_rounded_once(tmp_path):
    tensors = {f"unet.{QUERY}.lora_A.weight": DOWN, f"unet.{QUERY}.lora_B.weight": UP}
    save_file(tensors, tmp_path / "a.safetensors")
    module, patches = patcher()
    module.half()
    before = weight(module).float()
    lora = read_lora(tmp_path / "a.safetensors")
    patches.put_on([Strong(lora, 0.3), Strong(lora, 0.001)])
    expected = before + 0.3 * (UP @ DOWN) + 0.001 * (UP @ DOWN)
    assert torch.equal(weight(module), expected.half())


def test_a_text_encoder_takes_its_own_part(tmp_path):
    module = tiny.text()
    patches = Patcher(module, TEXT_PREFIXES, text_aliases(module))
    name, size = "lora_te_text_model_encoder_layers_1_self_attn_q_proj", tiny.CONTEXT
    up, down = drawn(size, RANK), drawn(RANK, size)
    tensors = {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
    tensors |= {"lora_unet_mid_block.lora_up.weight": UP, "lora_unet_mid_block.lora_down.weight": DOWN}
    save_file(tensors, tmp_path / "a.safetensors")
    weights = {name: had.clone() for name, had in module.state_dict().items()}
    patches.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 1.0)])
    changed = [name for name, has in module.state_dict().items() if not torch.equal(has, weights[name])]
    assert [name.removeprefix("text_model.") for name in changed] == [
        "encoder.layers.1.self_attn.q_proj.weight"
    ]
    assert torch.allclose(module.state_dict()[changed[0]] - weights[changed[0]], up @ down, atol=1e-5)
    assert patches.unmatched == ()


@pytest.mark.parametrize("whole", [True, False])
def test_a_text_encoder_that_was_kept_in_half_precision_stays_so(tmp_path, whole):
    module = tiny.text()
    query = next(name for name, _ in module.named_modules() if name.endswith("layers.1.self_attn.q_proj"))
    weight = module.get_submodule(query).weight
    if whole:
        weight.data = weight.data.half().float()
    name, size = "lora_te_text_model_encoder_layers_1_self_attn_q_proj", tiny.CONTEXT
    tensors = {f"{name}.lora_up.weight": drawn(size, RANK), f"{name}.lora_down.weight": drawn(RANK, size)}
    save_file(tensors, tmp_path / "a.safetensors")
    patches = Patcher(module, TEXT_PREFIXES, text_aliases(module), keeps_half=True)
    patches.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 0.3)])
    made = module.get_submodule(query).weight
    assert torch.equal(made.half().float(), made) is whole


def test_what_fits_nothing_is_told(tmp_path):
    save_file(
        {"lora_unet_nowhere.lora_up.weight": UP, "lora_unet_nowhere.lora_down.weight": DOWN},
        tmp_path / "a.safetensors",
    )
    _, patches = patcher()
    patches.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 1.0)])
    assert patches.unmatched == ("lora_unet_nowhere",)


def test_a_lora_of_another_size_is_refused_and_nothing_is_left_on(tmp_path):
    tensors = {f"unet.{OUT}.lora_A.weight": DOWN, f"unet.{OUT}.lora_B.weight": UP}
    tensors |= {f"unet.{QUERY}.lora_A.weight": drawn(RANK, 5), f"unet.{QUERY}.lora_B.weight": UP.clone()}
    save_file(tensors, tmp_path / "a.safetensors")
    module, patches = patcher()
    before = weight(module, OUT).clone()
    with pytest.raises(CheckpointUnknown, match=r"a\.safetensors is not a LoRA for this model"):
        patches.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 1.0)])
    assert torch.equal(weight(module, OUT), before)


def test_a_checkpoint_is_no_lora(model_file):
    with pytest.raises(CheckpointUnknown, match="is not a LoRA"):
        read_lora(model_file)
