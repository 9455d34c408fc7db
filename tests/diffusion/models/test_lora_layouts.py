"""Names of the field: every layout changes the same weights, also where one tensor of a file is several of a network."""

import hashlib
import random
from dataclasses import replace

import pytest
import torch
from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
from safetensors.torch import save_file
from torch import nn
from transformers import T5Config, T5EncoderModel

from nodes.diffusion.guidance import Guided
from nodes.diffusion.lora_files import Strong, read_lora
from nodes.diffusion.lora_making import in_layout
from nodes.diffusion.lora_names import NETWORK_PREFIXES, text_prefixes
from nodes.diffusion.models.families import flux, sd3
from nodes.diffusion.models.families.unets import SD1
from nodes.diffusion.models.load import original_places, text_aliases
from nodes.diffusion.patches import Patcher, Patchers
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import (
    Area,
    Cond,
    Hook,
    HookGroup,
    HookKeyframe,
    HookKeyframeGroup,
    LoraPatch,
    Model,
)
from tests.diffusion.models import tiny, transformers

CHANCE = torch.Generator().manual_seed(21)
WIDTH, RANK = 16, 2


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=CHANCE)


def flux_net() -> nn.Module:
    axes = {"axes_dims_rope": (2, 2, 4), "attention_head_dim": 8, "num_attention_heads": 2}
    sizes = {"in_channels": 64, "num_layers": 1, "num_single_layers": 1, "joint_attention_dim": 12}
    return tiny.seeded(
        FluxTransformer2DModel(**axes, **sizes, pooled_projection_dim=10, guidance_embeds=True)
    )


def sd3_net() -> nn.Module:
    sizes = {
        "sample_size": 8,
        "in_channels": 4,
        "out_channels": 4,
        "num_layers": 2,
        "caption_projection_dim": WIDTH,
    }
    heads = {
        "attention_head_dim": 8,
        "num_attention_heads": 2,
        "joint_attention_dim": 12,
        "pooled_projection_dim": 10,
    }
    return tiny.seeded(SD3Transformer2DModel(**sizes, **heads, pos_embed_max_size=8))


NETS = {"flux": (flux_net, flux.FAMILIES[0]), "sd3": (sd3_net, sd3.FAMILIES[0])}
DOUBLE, SINGLE = "transformer_blocks.0.attn.", "single_transformer_blocks.0."
ATTENTION = tuple(DOUBLE + name for name in ("to_q", "to_k", "to_v"))
ADDED = tuple(DOUBLE + name for name in ("add_q_proj", "add_k_proj", "add_v_proj"))
LINEAR1 = (*(SINGLE + "attn." + name for name in ("to_q", "to_k", "to_v")), SINGLE + "proj_mlp")
KOHYA = (".lora_down.weight", ".lora_up.weight")
PEFT = (".lora_A.weight", ".lora_B.weight")
NAMED = (".lora_A.default.weight", ".lora_B.default.weight")
XLABS = (".down.weight", ".up.weight")
# Of a family: what a file calls a tensor, its two endings, and which of ours it is, in the order of rows.
LAYOUTS = [
    ("flux", "lora_unet_double_blocks_0_img_attn_qkv", KOHYA, ATTENTION),
    ("flux", "lora_unet_double_blocks_0_txt_attn_qkv", KOHYA, ADDED),
    ("flux", "lora_unet_single_blocks_0_linear1", KOHYA, LINEAR1),
    ("flux", "lora_unet_single_blocks_0_linear2", KOHYA, (SINGLE + "proj_out",)),
    ("flux", "diffusion_model.double_blocks.0.img_attn.qkv", PEFT, ATTENTION),
    ("flux", "base_model.model.double_blocks.0.img_attn.qkv", PEFT, ATTENTION),
    ("flux", "base_model.model.transformer_blocks.0.attn.to_q", NAMED, ATTENTION[:1]),
    ("flux", "transformer.single_transformer_blocks.0.attn.to_k", PEFT, LINEAR1[1:2]),
    ("flux", "transformer.transformer_blocks.0.attn.to_out.0", PEFT, (DOUBLE + "to_out.0",)),
    ("flux", "transformer.double_blocks.0.img_mod.lin", KOHYA, ("transformer_blocks.0.norm1.linear",)),
    ("flux", "lora_transformer_transformer_blocks_0_attn_add_q_proj", KOHYA, ADDED[:1]),
    ("flux", "lora_transformer_single_transformer_blocks_0_proj_mlp", KOHYA, LINEAR1[3:]),
    ("flux", "lycoris_transformer_blocks_0_ff_net_0_proj", KOHYA, ("transformer_blocks.0.ff.net.0.proj",)),
    ("flux", "transformer_blocks.0.attn.to_q", PEFT, ATTENTION[:1]),
    ("flux", "double_blocks.0.processor.qkv_lora1", XLABS, ATTENTION),
    ("flux", "double_blocks.0.processor.qkv_lora2", XLABS, ADDED),
    ("flux", "double_blocks.0.processor.proj_lora2", XLABS, (DOUBLE + "to_add_out",)),
    ("flux", "single_blocks.0.processor.qkv_lora", XLABS, LINEAR1[:3]),
    ("flux", "single_blocks.0.processor.proj_lora", XLABS, (SINGLE + "proj_out",)),
    ("sd3", "lora_unet_joint_blocks_0_x_block_attn_qkv", KOHYA, ATTENTION),
    ("sd3", "diffusion_model.joint_blocks.0.context_block.attn.qkv", PEFT, ADDED),
    ("sd3", "transformer.transformer_blocks.0.attn.add_k_proj", PEFT, ADDED[1:2]),
    ("sd3", "lora_unet_joint_blocks_0_context_block_attn_proj", KOHYA, (DOUBLE + "to_add_out",)),
    ("sd3", "lora_transformer_transformer_blocks_0_ff_net_2", KOHYA, ("transformer_blocks.0.ff.net.2",)),
]  # fmt: skip


def put_on(family, tensors, tmp_path, strength=1.0):
    """A family's network with a file on it, and its weights before."""
    made, row = NETS[family]
    net = made()
    had = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "a.safetensors")
    patches = Patcher(net, NETWORK_PREFIXES, places=original_places(row, net))
    patches.put_on([Strong(read_lora(tmp_path / "a.safetensors"), strength)])
    assert patches.unmatched == ()
    return patches, had


def changed(patches, had) -> set[str]:
    return {
        name for name, tensor in patches.module.state_dict().items() if not torch.equal(tensor, had[name])
    }


@pytest.mark.parametrize(("family", "name", "endings", "ours"), LAYOUTS)
def test_a_layout_changes_the_rows_that_are_meant_and_no_others(family, name, endings, ours, tmp_path):
    shapes = {key: tensor.shape for key, tensor in NETS[family][0]().state_dict().items()}
    rows = [shapes[f"{one}.weight"][0] for one in ours]
    up, down = drawn(sum(rows), RANK), drawn(RANK, shapes[f"{ours[0]}.weight"][1])
    patches, had = put_on(family, {name + endings[0]: down, name + endings[1]: up}, tmp_path, 0.5)
    assert changed(patches, had) == {f"{one}.weight" for one in ours}
    for one, part in zip(ours, up.split(rows), strict=True):
        made = patches.module.get_parameter(f"{one}.weight") - had[f"{one}.weight"]
        assert torch.allclose(made, 0.5 * part @ down, atol=1e-5)
    patches.take_off()
    assert changed(patches, had) == set()


@pytest.mark.parametrize("family", NETS)
def test_halves_that_change_places_do_so_in_changes_too(family, tmp_path):
    name = "diffusion_model.final_layer.adaLN_modulation.1"
    made, bias = drawn(2 * WIDTH, WIDTH), drawn(2 * WIDTH)
    patches, had = put_on(family, {f"{name}.diff": made, f"{name}.diff_b": bias}, tmp_path)
    for end, change in (("weight", made), ("bias", bias)):
        expected = torch.cat((change[WIDTH:], change[:WIDTH]))
        ours = patches.module.get_parameter(f"norm_out.linear.{end}") - had[f"norm_out.linear.{end}"]
        assert torch.allclose(ours, expected, atol=1e-5)


def test_what_needs_the_whole_weight_of_the_file_gets_it(tmp_path):
    name, rows = "lora_unet_double_blocks_0_img_attn_qkv", 3 * WIDTH
    blocks, lengths = 0.2 * drawn(2, 24, 24), drawn(1, WIDTH)
    up, down = drawn(rows, RANK), drawn(RANK, WIDTH)
    tensors = {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down, f"{name}.dora_scale": lengths}
    for given in (tensors, {f"{name}.oft_blocks": blocks}):
        patches, had = put_on("flux", given, tmp_path)
        whole = torch.cat([had[f"{one}.weight"] for one in ATTENTION])
        if given is tensors:
            expected = (whole + up @ down) / (whole + up @ down).norm(dim=0) * lengths
        else:
            skew = blocks - blocks.transpose(1, 2)
            turns = [(torch.eye(24) + one) @ torch.inverse(torch.eye(24) - one) for one in skew]
            expected = torch.block_diag(*turns).T @ whole
        ours = torch.cat([patches.module.get_parameter(f"{one}.weight") for one in ATTENTION])
        assert torch.allclose(ours, expected, atol=1e-4)


def test_a_file_of_norms_and_a_wider_entry_is_read_as_flux_controls_are_made(tmp_path):
    scale, up, down = drawn(8), drawn(WIDTH, RANK), drawn(RANK, 128)
    tensors = {"double_blocks.0.img_attn.norm.query_norm.scale": scale, "img_in.lora_A.weight": down}
    tensors |= {"img_in.lora_B.weight": up, "img_in.lora_B.bias": drawn(WIDTH)}
    patches, had = put_on("flux", tensors, tmp_path)
    assert torch.allclose(patches.module.get_parameter(f"{DOUBLE}norm_q.weight"), scale, atol=1e-6)
    expected = torch.cat((had["x_embedder.weight"], torch.zeros(WIDTH, 64)), 1) + up @ down
    assert torch.allclose(patches.module.get_parameter("x_embedder.weight"), expected, atol=1e-5)
    assert patches.wider == {"x_embedder.weight": 2.0}


def test_text_encoders_take_the_names_of_every_layout(tmp_path):
    net = tiny.text()
    names = [
        "lora_te_text_model_encoder_layers_1_self_attn_q_proj",
        "lora_te1_text_model_encoder_layers_1_self_attn_q_proj",
    ]
    names += [
        f"{before}text_model.encoder.layers.1.self_attn.q_proj" for before in ("text_encoder.", "clip_l.")
    ]
    names += ["text_encoders.clip_l.transformer.text_model.encoder.layers.1.self_attn.q_proj"]
    up, down = drawn(tiny.CONTEXT, RANK), drawn(RANK, tiny.CONTEXT)
    files = [{f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up} for name in names]
    query = "text_encoder.text_model.encoder.layers.1.self_attn."
    files.append({f"{query}to_q_lora.down.weight": down, f"{query}to_q_lora.up.weight": up})
    peft = f"{query}q_proj.lora_linear_layer"
    files.append({f"{peft}.down.weight": down, f"{peft}.up.weight": up})
    ours = next(
        name for name, _ in net.named_parameters() if name.endswith("layers.1.self_attn.q_proj.weight")
    )
    had = net.get_parameter(ours).clone()
    patches = Patcher(net, text_prefixes("l"), text_aliases(net))
    network = Patcher(tiny.unet(), NETWORK_PREFIXES)
    for tensors in files:
        save_file(tensors, tmp_path / "a.safetensors")
        lora = Strong(read_lora(tmp_path / "a.safetensors"), 1.0)
        patches.put_on([lora])
        network.put_on([lora])
        assert torch.allclose(net.get_parameter(ours) - had, up @ down, atol=1e-5), list(tensors)
        assert patches.unmatched == network.unmatched == ()


@pytest.mark.parametrize(
    "before", ["lora_te3_", "lora_te2_", "text_encoder_2.", "text_encoders.t5xxl.transformer."]
)
def test_t5_is_found_as_the_second_encoder_and_as_the_third(before, tmp_path):
    sizes = {"vocab_size": 8, "d_model": 8, "d_kv": 4, "num_heads": 2, "d_ff": 8, "num_layers": 1}
    t5, clip = tiny.seeded(T5EncoderModel(T5Config(**sizes))), tiny.text()
    query = "encoder.block.0.layer.0.SelfAttention.q"
    name = before + (query.replace(".", "_") if before.startswith("lora") else query)
    up, down, had = drawn(8, RANK), drawn(RANK, 8), t5.get_parameter(f"{query}.weight").clone()
    save_file({f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}, tmp_path / "a.safetensors")
    both = Patchers(
        [
            Patcher(t5, text_prefixes("t5xxl")),
            Patcher(clip, text_prefixes("g"), text_aliases(clip), label="g"),
        ]
    )
    both.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 1.0)])
    assert torch.allclose(t5.get_parameter(f"{query}.weight") - had, up @ down, atol=1e-5)
    assert both.unmatched == () and not both.strangers


def hash_of(module: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        digest.update(name.encode() + tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize(
    ("before", "text"),
    [("unet.base_model.model.", False), ("lycoris_unet_", False), ("lycoris_", False), ("base_model.model.", False),
     ("text_encoder.base_model.model.", True), ("lycoris_text_encoder_", True), ("lycoris_te_", True),
     ("clip_l.transformer.", True), ("text_encoder.", True), ("lora_te1_", True)],
)  # fmt: skip
def test_what_tools_put_before_names_says_whom_they_are_for(before, text, tmp_path):
    query = "text_model.encoder.layers.1.self_attn.q_proj" if text else QUERY
    name = before + (query.replace(".", "_") if before.startswith(("ly", "lora")) else query)
    net, clip, wide = tiny.unet(), tiny.text(), 64 if text else 32
    up, down = drawn(wide, RANK), drawn(RANK, wide)
    save_file({f"{name}.lora_B.weight": up, f"{name}.lora_A.weight": down}, tmp_path / "a.safetensors")
    patchers = Patcher(net, NETWORK_PREFIXES), Patcher(clip, text_prefixes("l"), text_aliases(clip))
    for patcher, meant in zip(patchers, (not text, text), strict=True):
        had = {key: weight.clone() for key, weight in patcher.module.named_parameters()}
        patcher.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 1.0)])
        made = {key for key, weight in patcher.module.named_parameters() if not torch.equal(weight, had[key])}
        short = query.removeprefix("text_model.")
        assert {key.removeprefix("text_model.") for key in made} == ({f"{short}.weight"} if meant else set())
        assert patcher.unmatched == ()


QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_after_a_hundred_additions_and_removals_the_weights_hash_as_before(dtype, tmp_path):
    net = tiny.unet().to(dtype)
    patches = Patcher(net, NETWORK_PREFIXES, places=original_places(SD1, net))
    before, files = hash_of(net), every_kind(tmp_path)
    draw, on = random.Random(5), []
    for _ in range(100):
        if on and draw.random() < 0.4:
            on.pop(draw.randrange(len(on)))
        else:
            on.append(Strong(draw.choice(files), draw.uniform(-2, 2)))
        patches.put_on(on)
        assert (hash_of(net) == before) is (not on)
    again = hash_of(net)
    patches.put_on([])
    assert hash_of(net) == before and patches.size == 0
    patches.put_on(on)
    assert hash_of(net) == again


def every_kind(folder):
    """A file of each kind, for a U-Net's query and its last layer of attention."""
    query = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn1_to_q"
    parts = [
        {"lora_up.weight": drawn(32, 4), "lora_down.weight": drawn(4, 32), "alpha": torch.tensor(2.0)},
        {"lora_up.weight": drawn(32, 4), "lora_down.weight": drawn(4, 32), "dora_scale": drawn(32, 1)},
        {"hada_w1_a": drawn(32, 2), "hada_w1_b": drawn(2, 32), "hada_w2_a": drawn(32, 2), "hada_w2_b": drawn(2, 32)},
        {"lokr_w1": drawn(4, 4), "lokr_w2_a": drawn(8, 2), "lokr_w2_b": drawn(2, 8)},
        {"a1.weight": drawn(32, 2), "a2.weight": drawn(2, 32), "b1.weight": drawn(32, 2), "b2.weight": drawn(2, 32)},
        {"oft_blocks": drawn(4, 8, 8)},
        {"oft_blocks": drawn(2, 4, 8, 8)},
        {"diff": drawn(32, 32)},
        {"set_weight": drawn(32, 32)},
    ]  # fmt: skip
    files = []
    for number, one in enumerate(parts):
        save_file(
            {f"{query}.{name}": tensor for name, tensor in one.items()}, folder / f"{number}.safetensors"
        )
        files.append(read_lora(folder / f"{number}.safetensors"))
    return files


def test_a_file_of_another_family_is_told_by_name(model_file, placement, hashes, tmp_path):
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    tensors = {f"{name}.lora_down.weight": drawn(2, 8), f"{name}.lora_up.weight": drawn(24, 2)}
    tensors |= {key.replace("double", "single"): tensor.clone() for key, tensor in tensors.items()}
    save_file(tensors, tmp_path / "style.safetensors")
    lora = LoraPatch(hashes.reference(tmp_path / "style.safetensors"), 1.0)
    with Pool(placement, 10**9).session() as models:
        models.network(Model(hashes.reference(model_file)).patched(lora))
        told = f"made for FLUX or HunyuanVideo: none of its 2 changes fits this one ({name} first)."
        assert models.warnings == [f"style.safetensors seems {told}"]


@pytest.mark.parametrize("case", transformers.CASES, ids=lambda case: case.name)
def test_every_familys_modules_are_found_by_the_names_of_both_layouts(case, tmp_path):
    """Each tensor of the original layout, in three spellings, and each of ours: the right rows, none forgotten."""
    net = tiny.seeded(case.module(case.tiny))
    patches = Patcher(net, NETWORK_PREFIXES, places=original_places(case.family, net))
    had = {name: tensor.clone() for name, tensor in net.named_parameters()}
    theirs = in_layout(had, patches.places)
    for number, state in enumerate((theirs, theirs, theirs, had)):
        tensors: dict[str, torch.Tensor] = {}
        for name, tensor in state.items():
            module, _, kind = name.rpartition(".")
            if kind not in ("weight", "bias"):
                continue
            flat = f"lora_unet_{module.replace('.', '_')}"
            named = (
                f"diffusion_model.{module}",
                flat,
                f"base_model.model.{module}",
                f"transformer.{module}",
            )[number]
            tensors[named + (".diff" if kind == "weight" else ".diff_b")] = tensor.clone()
        save_file(tensors, tmp_path / "a.safetensors")
        patches.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 1.0)])
        assert patches.unmatched == ()
        changed = {
            name: tensor for name, tensor in net.named_parameters() if name.endswith((".weight", ".bias"))
        }
        doubled = [name for name, tensor in changed.items() if torch.allclose(tensor, 2 * had[name])]
        assert len(doubled) >= (len(changed) if state is had else len(tensors))
        assert all(torch.equal(changed[name], had[name]) for name in changed.keys() - set(doubled))
        patches.take_off()


def test_hooks_of_other_kinds_count_as_patches_do_by_region_too_and_leave_no_trace(
    model_file, placement, hashes, tmp_path
):
    every_kind(tmp_path)
    files = [hashes.reference(tmp_path / f"{number}.safetensors") for number in (1, 3, 5)]
    model, draw = Model(hashes.reference(model_file)), random.Random(7)
    latents, context, sigma = drawn(1, 4, 8, 8), drawn(1, 7, tiny.CONTEXT), torch.tensor(5.0)
    pool = Pool(placement, 10**9)
    with pool.session() as models:
        network = models.network(model)
        before = hash_of(network.module)
        for file in files:
            strength = draw.uniform(0.1, 0.5)
            keyframes = HookKeyframeGroup((HookKeyframe(0.5, 0.0),))
            cond = Cond(context, hooks=HookGroup((Hook(file, 2 * strength, 0.0, keyframes),)))
            region = replace(cond, area=Area(4, 8, 4, 0))
            guided = Guided(network, (cond,), (), 1.0)
            patched = models.network(model.patched(LoraPatch(file, strength)))
            expected = Guided(patched, (Cond(context),), (), 1.0)(latents, sigma)
            assert torch.equal(guided(latents, sigma), expected)
            upper = replace(Cond(context), area=Area(4, 8, 0, 0))
            half = Guided(network, (region, upper), (), 1.0)(latents, sigma)
            alone = Guided(patched, (replace(upper, area=Area(4, 8, 4, 0)),), (), 1.0)(latents, sigma)
            assert torch.allclose(half[..., 4:, :], alone[..., 4:, :], atol=1e-5)
            assert hash_of(network.module) == before
