"""Text encoders of every kind: told from names and shapes, read as their families do. Tiny random models, made here."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer as Words
from tokenizers import models, pre_tokenizers
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    Gemma2Config,
    Gemma2Model,
    LlamaConfig,
    LlamaModel,
    Qwen2Config,
    Qwen2Model,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement, load_text
from nodes.diffusion.models.text_files import find_texts
from nodes.diffusion.models.vocabularies import VocabularyMissing
from nodes.diffusion.pool import Pool
from nodes.diffusion.text import Encoding, LanguageEncoder, LanguageKind, Prompts, Reading, read_prompt
from nodes.diffusion.text.quoting import quotes
from nodes.diffusion.values import Clip, LoraPatch
from tests.diffusion.models.tiny import seeded

CPU = Placement(torch.device("cpu"), torch.float32, torch.float32)
SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 1, "vocab_size": 49408}
SIZES |= {"bos_token_id": 49406, "eos_token_id": 49407, "pad_token_id": 49407}
PIECES = ("▁", "a", "▁a", "▁cat", "▁red", "c", "t", "r", "e", "d", ":", "(", ")", ".", "1", "2", "3")


def clip(layers: int, act: str, seed: int, projection: int = 24) -> CLIPTextModelWithProjection:
    config = CLIPTextConfig(
        num_hidden_layers=layers,
        hidden_act=act,
        projection_dim=projection,
        attn_implementation="eager",
        **SIZES,
    )
    return seeded(CLIPTextModelWithProjection(config), seed)


def plain(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    return {prefix + name: tensor.clone() for name, tensor in module.state_dict().items()}


def opened(module: nn.Module, prefix: str) -> dict[str, Tensor]:
    """The module's tensors as OpenCLIP calls them."""
    state: dict[str, Tensor] = {}
    names = {
        "embeddings.token_embedding.weight": "token_embedding.weight",
        "embeddings.position_embedding.weight": "positional_embedding",
        "final_layer_norm.": "ln_final.", "layer_norm1.": "ln_1.", "layer_norm2.": "ln_2.",
        "self_attn.out_proj.": "attn.out_proj.", "mlp.fc1.": "mlp.c_fc.", "mlp.fc2.": "mlp.c_proj.",
        "encoder.layers.": "transformer.resblocks.",
    }  # fmt: skip
    have = {name.removeprefix("text_model."): tensor for name, tensor in module.state_dict().items()}
    for name, tensor in have.items():
        if name == "text_projection.weight":
            state["text_projection"] = tensor.T.contiguous()
        elif ".q_proj." in name:
            parts = [have[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            layer, kind = name.split(".")[2], name.rpartition(".")[2]
            state[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = torch.cat(parts)
        elif ".k_proj." not in name and ".v_proj." not in name:
            for ours, theirs in names.items():
                name = name.replace(ours, theirs)
            state[name] = tensor.clone()
    return {prefix + name: tensor for name, tensor in state.items()}


def states(module: CLIPTextModelWithProjection, ids: list[int], layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """A hidden state, the same with the final norm, and the projected vector."""
    made = module(torch.tensor([ids]), output_hidden_states=True)
    hidden = made.hidden_states[layer]
    return hidden, getattr(module, "text_model", module).final_layer_norm(hidden), made.text_embeds


def ids_of(encoders: Mapping[str, Any], name: str, prompt: str) -> list[int]:
    return [token.id for token in encoders[name].tokenizer.chunks(prompt)[0]]


def written(path: Path, state: dict[str, Tensor]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path)
    return path


def read(path: Path, prompt: str | Prompts, kind: str = "", layer: int | None = None) -> Encoding:
    prompts = Prompts(prompt) if isinstance(prompt, str) else prompt
    return read_prompt(kind, Reading(load_text(path, CPU).encoders, prompts, layer))


@pytest.fixture(scope="module")
def small() -> CLIPTextModelWithProjection:
    return clip(2, "quick_gelu", 1)


@pytest.fixture(scope="module")
def large() -> CLIPTextModelWithProjection:
    return clip(32, "gelu", 2)


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory, small: nn.Module, large: nn.Module) -> Path:
    state = {
        name: tensor
        for name, tensor in plain(small, "conditioner.embedders.0.transformer.").items()
        if "text_projection" not in name
    }
    return written(
        tmp_path_factory.mktemp("xl") / "xl.safetensors",
        state | opened(large, "conditioner.embedders.1.model."),
    )


def test_sdxl_reads_both_and_pools_by_the_large_one(sdxl, small, large):
    encoders = load_text(sdxl, CPU).encoders
    assert sorted(encoders) == ["g", "l"]
    left = states(small, ids_of(encoders, "l", "a red cat"), -2)[0]
    right, _, pooled = states(large, ids_of(encoders, "g", "a red cat"), -2)
    made = read(sdxl, "a red cat")
    assert torch.allclose(made.context, torch.cat((left, right), -1), atol=1e-5)
    assert made.pooled is not None and torch.allclose(made.pooled, pooled, atol=1e-5)
    last = read(sdxl, "a red cat", layer=-1).context
    assert torch.allclose(last[..., :64], states(small, ids_of(encoders, "l", "a red cat"), -1)[0], atol=1e-5)


def test_the_large_one_fills_up_with_zeros_and_the_small_one_with_its_end(sdxl):
    encoders = load_text(sdxl, CPU).encoders
    assert ids_of(encoders, "g", "a")[-1] == 0 and ids_of(encoders, "l", "a")[-1] == 49407


def test_a_text_of_its_own_for_each_encoder_is_made_as_long_as_the_longer(sdxl):
    long = "cat " * 100
    made = read(sdxl, Prompts("a", {"l": "a", "g": long}))
    assert made.context.shape == (1, 154, 128)
    assert torch.allclose(made.context[:, :77, :64], read(sdxl, "a").context[..., :64], atol=1e-6)


def test_the_refiner_reads_the_large_one_alone(tmp_path, large):
    path = written(tmp_path / "refiner.safetensors", opened(large, "conditioner.embedders.0.model."))
    encoders = load_text(path, CPU).encoders
    hidden, _, pooled = states(large, ids_of(encoders, "g", "a cat"), -2)
    made = read(path, "a cat")
    assert torch.allclose(made.context, hidden, atol=1e-5) and torch.allclose(made.pooled, pooled, atol=1e-5)


def test_stable_diffusion_2_reads_the_layer_before_the_last_with_the_norm(tmp_path):
    huge = clip(3, "gelu", 3)
    path = written(tmp_path / "sd2.safetensors", opened(huge, "cond_stage_model.model."))
    encoders = load_text(path, CPU).encoders
    assert list(encoders) == ["h"]
    assert torch.allclose(
        read(path, "a cat").context, states(huge, ids_of(encoders, "h", "a cat"), -2)[1], atol=1e-5
    )


@pytest.mark.parametrize(("layers", "name"), [(2, "l"), (23, "h"), (32, "g")])
def test_a_file_of_its_own_is_told_by_its_depth(tmp_path, layers, name):
    path = written(tmp_path / "one.safetensors", plain(clip(layers, "gelu", 4), ""))
    assert list(load_text(path, CPU).encoders) == [name]


# --- language models ------------------------------------------------------------------------------------------------


def t5(gated: bool = True, seed: int = 5, kind: Any = T5EncoderModel, config: Any = T5Config) -> nn.Module:
    settings = config(
        vocab_size=32, d_model=896, d_kv=8, d_ff=48, num_layers=2, num_heads=4, dropout_rate=0.0,
        feed_forward_proj="gated-gelu" if gated else "relu",
    )  # fmt: skip
    return seeded(kind(settings), seed)


def spiece() -> bytes:
    """A SentencePiece vocabulary: padding, end, unknown, then pieces."""

    def field(number: int, kind: int, body: bytes) -> bytes:
        return bytes([number << 3 | kind]) + body

    def piece(text: str, score: float, kind: int) -> bytes:
        raw = text.encode()
        inner = (
            field(1, 2, bytes([len(raw)]) + raw)
            + field(2, 5, struct.pack("<f", score))
            + field(3, 0, bytes([kind]))
        )
        return field(1, 2, bytes([len(inner)]) + inner)

    rows = [piece("<pad>", 0.0, 3), piece("</s>", 0.0, 3), piece("<unk>", 0.0, 2)]
    return b"".join(rows + [piece(text, -1.0 if len(text) > 1 else -10.0, 1) for text in PIECES])


def words(path: Path) -> None:
    """A vocabulary of whole words, as `tokenizer.json`."""
    known = {
        text: index
        for index, text in enumerate(("<pad>", "<bos>", "a", "red", "cat", "<|begin_of_text|>", "."))
    }
    made = Words(models.WordLevel(known, unk_token="."))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    path.mkdir(parents=True, exist_ok=True)
    made.save(str(path / "tokenizer.json"))


@pytest.fixture
def t5_file(tmp_path: Path) -> Path:
    (tmp_path / "t5").mkdir()
    (tmp_path / "t5" / "spiece.model").write_bytes(spiece())
    state = {
        name: tensor for name, tensor in plain(t5(), "").items() if name != "encoder.embed_tokens.weight"
    }
    return written(tmp_path / "t5.safetensors", state)


def test_t5_reads_its_words_with_an_end_and_padding(t5_file):
    encoder = load_text(t5_file, CPU).encoders["t5xxl"]
    assert isinstance(encoder, LanguageEncoder)
    ids = encoder.tokenizer.ids("a red cat")
    assert ids == [PIECES.index(piece) + 3 for piece in ("▁a", "▁red", "▁cat")]
    made = read(t5_file, "a red cat", "flux")
    expected = t5()(torch.tensor([[*ids, 1] + [0] * 252])).last_hidden_state
    assert made.context.shape == (1, 256, 896) and torch.allclose(made.context, expected, atol=1e-5)
    assert made.pooled is not None and not made.pooled.any()


def test_a_weight_moves_t5_s_tokens_from_the_empty_prompt_s(t5_file):
    base, strong = read(t5_file, "a red cat", "flux"), read(t5_file, "a (red:1.5) cat", "flux")
    ids = torch.tensor([[1] + [0] * 255])
    empty = t5()(ids).last_hidden_state
    # The words around the weight are read on their own: "a ", "red", " cat".
    plain_ids = load_text(t5_file, CPU).encoders["t5xxl"].tokenizer.ids("red")  # type: ignore[union-attr]
    at = 1
    assert plain_ids == [PIECES.index("▁red") + 3]
    assert torch.allclose(
        strong.context[:, at], empty[:, at] + 1.5 * (base.context[:, at] - empty[:, at]), atol=1e-4
    )


def test_t5_in_scaled_eight_bits_reads_as_its_wide_one(tmp_path, t5_file):
    small = load_file(t5_file)
    wide = dict(small)
    for name, tensor in list(wide.items()):
        if name.endswith("SelfAttention.q.weight"):
            scale = tensor.abs().max() / 448.0
            small[name] = (tensor / scale).to(torch.float8_e4m3fn)
            small[name.replace("weight", "scale_weight")] = scale
            wide[name] = small[name].float() * scale
    small["scaled_fp8"] = torch.zeros(0, dtype=torch.float8_e4m3fn)
    paths = [
        written(t5_file.with_name(f"{name}.safetensors"), state)
        for name, state in (("fp8", small), ("wide", wide))
    ]
    one, other = (read(path, "a red cat", "flux").context for path in paths)
    assert torch.equal(one, other)


def test_an_embedding_is_for_language_models_too_and_a_misfit_is_named(t5_file):
    found = {"red": torch.zeros(2, 896), "wide": torch.zeros(1, 768)}

    def find(name: str, encoder: str) -> Tensor | None:
        assert encoder == "t5xxl"
        return found.get(name)

    def said(prompt: str) -> Encoding:
        return read_prompt("flux", Reading(load_text(t5_file, CPU).encoders, Prompts(prompt), find=find))

    plain = said("a cat")
    assert said("a cat").warnings == () and not torch.equal(
        said("a embedding:red cat").context, plain.context
    )
    wide = said("a cat embedding:wide")
    assert torch.equal(wide.context, plain.context)
    assert wide.warnings == (
        "The embedding 'wide' was left out of the prompt: it was made for a model of another width (768 features, not 896).",
    )
    assert "'gone'" in said("a cat embedding:gone").warnings[0]


def test_weights_beyond_all_numbers_are_told(t5_file):
    with pytest.raises(DiffusionError, match=r"no numbers.* smaller weights"):
        read(t5_file, "(" * 9000 + "red" + ")" * 9000, "flux")


@pytest.mark.parametrize(
    ("shapes", "name"),
    [
        ({"q_proj.weight": (8, 16), "k_proj.weight": (8, 16)}, "mistral3_24b"),
        ({"q_proj.weight": (16, 16), "q_norm.weight": (8,)}, "qwen3_4b"),
        ({"q_proj.weight": (4, 2048), "q_norm.weight": (8,)}, "qwen3_2b"),
        ({"q_proj.weight": (4, 4096), "q_norm.weight": (8,)}, "qwen3_8b"),
        ({"q_proj.weight": (4, 2048), "q_proj.bias": (8,)}, "qwen25_3b"),
    ],
)
@pytest.mark.parametrize("prefix", ["model.", "", "language_model.model.", "model.language_model."])
def test_decoders_are_told_apart_whatever_stands_before(tmp_path, shapes, name, prefix):
    state = {f"{prefix}layers.0.self_attn.{part}": torch.zeros(shape) for part, shape in shapes.items()}
    path = written(tmp_path / "one.safetensors", state | {f"{prefix}embed_tokens.weight": torch.zeros(4, 16)})
    assert [(found.name, found.prefix) for found in find_texts(path)] == [(name, prefix)]


def test_byt5_reads_what_is_in_quotes(tmp_path):
    config = T5Config(
        vocab_size=300,
        d_model=1472,
        d_kv=8,
        d_ff=16,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    module = seeded(T5EncoderModel(config), 9)
    encoders = load_text(written(tmp_path / "byt5.safetensors", plain(module, "")), CPU).encoders
    assert list(encoders) == ["byt5"]
    letters = quotes("a “red” 'sign' and \"cat\"", singly=True)
    assert letters == 'Text "sign". Text "cat". Text "red". '
    assert (
        quotes('"a" “b” "a" \'c\'', singly=False) == 'Text "a". Text "b". ' and quotes("a", singly=True) == ""
    )
    made = Reading(encoders, Prompts("")).language("byt5", LanguageKind(masked=True), letters)
    ids = torch.tensor([[*(byte + 3 for byte in letters.encode()), 1]])
    assert made is not None and torch.allclose(made.context, module(ids).last_hidden_state, atol=1e-4)


def test_stable_cascade_hides_padding(tmp_path, large):
    path = written(tmp_path / "g.safetensors", plain(large, ""))
    ids = ids_of(load_text(path, CPU).encoders, "g", "a cat")
    mask = torch.tensor([[1] * 4 + [0] * 73])
    theirs = large(torch.tensor([ids]), attention_mask=mask, output_hidden_states=True)
    made = read(path, "a cat", "stable_cascade")
    assert torch.allclose(made.context, theirs.hidden_states[-1], atol=1e-4)
    assert made.pooled is not None and torch.allclose(made.pooled, theirs.text_embeds, atol=1e-4)


@pytest.mark.parametrize("kind", ["pixart", "ltxv", "mochi"])
def test_families_that_read_t5_alone_say_where_padding_is(t5_file, kind):
    made = read(t5_file, "a cat", kind)
    mask = made.extra["attention_mask"]
    assert isinstance(mask, Tensor) and mask.shape == made.context.shape[:2] and int(mask.sum()) == 3


def test_old_t5_and_one_with_places_in_every_layer_are_told_apart(tmp_path):
    old = written(tmp_path / "old.safetensors", {**plain(t5(gated=False), ""), "spiece_model": as_bytes()})
    assert list(load_text(old, CPU).encoders) == ["old_t5xxl"]
    module = t5(kind=UMT5EncoderModel, config=UMT5Config)
    path = written(tmp_path / "um.safetensors", {**plain(module, ""), "spiece_model": as_bytes()})
    made = read(path, "a cat")
    ids = [PIECES.index("▁a") + 3, PIECES.index("▁cat") + 3, 1]
    expected = module(torch.tensor([ids]), attention_mask=torch.ones(1, 3)).last_hidden_state
    assert made.context.shape == (1, 512, 896)
    assert torch.allclose(made.context[:, :3], expected, atol=1e-5) and not made.context[:, 3:].any()


def as_bytes() -> Tensor:
    return torch.frombuffer(bytearray(spiece()), dtype=torch.uint8)


DECODERS = {
    "llama": (LlamaConfig, LlamaModel, {"rope_theta": 500000.0, "rms_norm_eps": 1e-5}, "hunyuan_video"),
    "qwen25_7b": (Qwen2Config, Qwen2Model, {"rope_theta": 1000000.0}, ""),
    "qwen3_4b": (Qwen3Config, Qwen3Model, {"rope_theta": 1000000.0, "head_dim": 8}, ""),
    "gemma2_2b": (Gemma2Config, Gemma2Model, {"head_dim": 8}, ""),
}
HOMES = {"llama": "llama3", "qwen25_7b": "qwen2", "qwen3_4b": "qwen3", "gemma2_2b": "gemma2"}


@pytest.mark.parametrize("name", list(DECODERS))
def test_a_decoder_is_built_from_its_tensors(tmp_path, name):
    make, model, more, _ = DECODERS[name]
    settings = make(
        vocab_size=16, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=1, pad_token_id=0, bos_token_id=1, attn_implementation="eager", **more,
    )  # fmt: skip
    module = seeded(model(settings), 7)
    path = written(tmp_path / "decoder.safetensors", plain(module, "model."))
    words(tmp_path / HOMES[name])
    encoder = load_text(path, CPU).encoders[name]
    assert isinstance(encoder, LanguageEncoder)
    ids = torch.tensor([[*encoder.tokenizer.start, 2, 3, 4]])
    for layer in (-1, -2):
        made = LanguageEncoder(encoder.model, encoder.tokenizer, LanguageKind(layers=(layer,))).encode(
            "a red cat"
        )
        answer = module(ids, output_hidden_states=True)
        expected = answer.last_hidden_state if layer == -1 else answer.hidden_states[layer]
        assert torch.allclose(made.context, expected, atol=1e-4)


def test_a_template_s_own_tokens_are_left_out(tmp_path):
    settings = LlamaConfig(
        vocab_size=16, hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
        num_key_value_heads=1, pad_token_id=0, bos_token_id=1,
    )  # fmt: skip
    path = written(tmp_path / "llama.safetensors", plain(seeded(LlamaModel(settings), 8), "model."))
    words(tmp_path / "llama3")
    encoder = load_text(path, CPU).encoders["llama"]
    assert isinstance(encoder, LanguageEncoder)
    kind = LanguageKind(template="red red {} .", dropped=3, masked=True)
    made = LanguageEncoder(encoder.model, encoder.tokenizer, kind).encode("(cat:1.5)")
    whole = LanguageEncoder(encoder.model, encoder.tokenizer, LanguageKind(template="red red {} .")).encode(
        "(cat:1.5)"
    )
    assert torch.equal(made.context, whole.context[:, 3:])
    stacked = LanguageEncoder(
        encoder.model, encoder.tokenizer, LanguageKind(layers=(), stacked=True, dropped=1)
    )
    assert stacked.encode("a cat").context.shape == (1, 3, 2, 16)


# --- families of several --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(
    tmp_path_factory: pytest.TempPathFactory, small: nn.Module, large: nn.Module
) -> dict[str, dict[str, Tensor]]:
    return {
        "l": plain(small, "text_encoders.clip_l.transformer."),
        "g": plain(large, "text_encoders.clip_g.transformer."),
        "t5xxl": {**plain(t5(), "text_encoders.t5xxl.transformer."), "spiece_model": as_bytes()},
    }


@pytest.mark.parametrize("missing", ["", "l", "g", "t5xxl"])
def test_stable_diffusion_3_takes_zeros_for_what_is_missing(tmp_path, parts, missing):
    state = {
        name: tensor for part, tensors in parts.items() if part != missing for name, tensor in tensors.items()
    }
    path = written(tmp_path / "sd3.safetensors", state)
    made = read(path, "a red cat", "sd3")
    assert made.context.shape[1] == 77 + 77 and made.pooled is not None
    whole = read(
        written(tmp_path / "all.safetensors", {k: v for part in parts.values() for k, v in part.items()}),
        "a red cat",
    )
    words_half = made.context[:, 77:]
    assert not words_half.any() if missing == "t5xxl" else torch.equal(words_half, whole.context[:, 77:])
    left = made.context[:, :77, :64]
    if missing == "l":
        assert not made.context[:, :77, :768].any() and made.context[:, :77, 768:832].any()
    elif missing != "t5xxl":
        assert torch.equal(left, whole.context[:, :77, :64])


def test_stable_diffusion_3_leaves_out_an_empty_text_where_it_is_told_to(tmp_path, parts):
    path = written(tmp_path / "sd3.safetensors", {k: v for part in parts.values() for k, v in part.items()})
    own = {"l": "a", "g": "a", "t5xxl": ""}
    told, skipped = (read(path, Prompts("a", own, skips_empty=on), "sd3") for on in (False, True))
    assert told.context[:, 77:].any() and not skipped.context[:, 77:].any()


def test_flux_reads_t5_and_pools_by_clip(tmp_path, parts):
    path = written(tmp_path / "flux.safetensors", parts["l"] | parts["t5xxl"])
    made = read(path, "a cat")
    assert made.context.shape == (1, 256, 896)
    assert torch.equal(made.pooled, read(written(tmp_path / "l.safetensors", parts["l"]), "a cat").pooled)


def test_a_recipe_of_several_files_reads_them_together_and_each_takes_its_part_of_a_lora(
    tmp_path, small, large
):
    one = written(tmp_path / "one.safetensors", plain(small, ""))
    two = written(tmp_path / "two.safetensors", plain(large, ""))
    up, down = torch.ones(64, 2), torch.ones(2, 64)
    name = "lora_te2_text_model_encoder_layers_0_self_attn_q_proj"
    lora = written(
        tmp_path / "lora.safetensors", {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
    )
    hashes = ContentHashes()
    clip = Clip(hashes.reference(two), others=(hashes.reference(one),), kind="sdxl")
    with Pool(CPU, 10**9).session() as session:
        before = session.encode(clip, "a cat").context
        after = session.encode(clip.patched(LoraPatch(hashes.reference(lora), 0.5)), "a cat").context
        assert session.warnings == []
    assert torch.equal(before[..., :64], after[..., :64]) and not torch.allclose(
        before[..., 64:], after[..., 64:]
    )


def test_a_language_model_without_its_vocabulary_says_what_to_put_where(tmp_path):
    path = written(tmp_path / "t5xxl.safetensors", plain(t5(), ""))
    with pytest.raises(
        VocabularyMissing, match=r"t5xxl\.safetensors .* Put its tokenizer\.json .* into .*t5,"
    ) as caught:
        load_text(path, CPU)
    assert str(tmp_path / "t5") in caught.value.hint


def test_encoders_of_no_family_are_refused_in_words(tmp_path):
    with pytest.raises(DiffusionError, match="No family of models reads these text encoders together"):
        read_prompt("", Reading({}, Prompts("a")))
