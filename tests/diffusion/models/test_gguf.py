"""GGUF files: every kind of numbers is what `gguf` makes of it, every family loads from one, odd files are refused."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer as Words
from torch import Tensor, nn
from transformers import (
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
)

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models import gguf_words, merges
from nodes.diffusion.models.files import open_weights
from nodes.diffusion.models.pieces import pieces_in, words_of_pieces
from nodes.diffusion.models.text_files import find_texts
from nodes.diffusion.models.vocabularies import VocabularyMissing, vocabulary
from nodes.diffusion.text.tokens import byte_letters
from tests.diffusion.models.test_transformer_forms import FILES, apart, stored
from tests.diffusion.models.test_transformers import tiny_network
from tests.diffusion.models.transformers import Case

gguf = pytest.importorskip("gguf", reason="GGUF files need the package gguf")
KINDS = sorted(kind.name for kind in gguf.quants._type_traits)
WRITES = ("Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "BF16")
Written = tuple[np.ndarray[Any, Any], Any]


def write(path: Path, tensors: Mapping[str, Written], arch: str = "flux", **numbers: int) -> Path:
    """A file as `gguf` writes it, of packed tensors with their kinds."""
    writer = gguf.GGUFWriter(path, arch)
    writer.add_array("tokenizer.ggml.tokens", ["a", "red", "cat"] * 40)
    for name, number in numbers.items():
        writer.add_uint32(name.replace("__", "."), number)
    for name, (data, kind) in tensors.items():
        writer.add_tensor(name, data, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def packed(tensor: Tensor, kind: str) -> Written:
    """A tensor's numbers as that kind has them; rows that no block fits stay plain."""
    wanted = gguf.GGMLQuantizationType[kind]
    data = tensor.float().contiguous().numpy()
    if tensor.ndim < 2 or tensor.shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0]:
        return data, gguf.GGMLQuantizationType.F32
    return gguf.quants.quantize(data, wanted), wanted


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind_are_those_that_gguf_makes_of_them(kind: str, tmp_path: Path):
    wanted = gguf.GGMLQuantizationType[kind]
    of_numbers, of_bytes = gguf.GGML_QUANT_SIZES[wanted]
    chance = np.random.default_rng(0)
    raw = chance.integers(0, 256, (6, 3 * of_bytes), dtype=np.uint8)
    path = write(tmp_path / "some.gguf", {"first": (np.ones(5, np.float32), 0), "odd": (raw, wanted)})
    weights = open_weights(path)
    assert weights.shapes == {"first": (5,), "odd": (6, 3 * of_numbers)}
    assert weights.dtypes["odd"] == kind
    with np.errstate(all="ignore"):
        made = gguf.quants.dequantize(raw, wanted)
    assert np.array_equal(weights.tensors(["odd"])["odd"].float().numpy(), made, equal_nan=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64, np.int8, np.int16, np.int32, np.int64])
def test_plain_numbers_are_pages_of_the_file(dtype: Any, tmp_path: Path):
    data = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = write(tmp_path / "some.gguf", {"plain": (data, None)})
    assert np.array_equal(open_weights(path).tensors(["plain"])["plain"].numpy(), data)


@pytest.mark.parametrize("case", FILES, ids=lambda case: case.name)
def test_a_network_of_every_family_answers_as_with_the_numbers_that_were_packed(case: Case, tmp_path: Path):
    kind = WRITES[FILES.index(case) % len(WRITES)]
    module = tiny_network(case)
    whole, places = stored(case, module)
    tensors = {name: packed(tensor, kind) for name, tensor in whole.items()}
    numbers = {
        name: torch.from_numpy(_plain(*one)).reshape(whole[name].shape) for name, one in tensors.items()
    }
    module.load_state_dict({place.ours: place.read(numbers[place.theirs]) for place in places}, strict=False)
    assert apart(case, module, write(tmp_path / "net.gguf", tensors)) < 1e-4
    assert any(kind.name in WRITES for _, kind in tensors.values())


def _plain(data: np.ndarray[Any, Any], kind: Any) -> np.ndarray[Any, Any]:
    return data if kind == gguf.GGMLQuantizationType.F32 else gguf.quants.dequantize(data, kind)


def test_a_tensor_that_was_laid_out_anew_gets_its_shape_back(tmp_path: Path):
    data = np.arange(72, dtype=np.float32).reshape(9, 8)
    writer = gguf.GGUFWriter(tmp_path / "some.gguf", "sdxl")
    writer.add_array("comfy.gguf.orig_shape.conv.weight", [2, 4, 3, 3])
    writer.add_tensor("conv.weight", data)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    made = open_weights(tmp_path / "some.gguf").tensors(["conv.weight"])["conv.weight"]
    assert np.array_equal(made.numpy(), data.reshape(2, 4, 3, 3))


SMALL = {"vocab_size": 40, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "head_dim": 8}
SMALL |= {"num_attention_heads": 4, "num_key_value_heads": 2}


def t5() -> nn.Module:
    return T5EncoderModel(
        T5Config(
            vocab_size=40,
            d_model=32,
            d_kv=8,
            d_ff=64,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
        )
    )


def decoder(config: Any, model: Any) -> Callable[[], nn.Module]:
    return lambda: model(config(**SMALL))


ENCODERS = {
    "t5xxl": (gguf.MODEL_ARCH.T5ENCODER, t5),
    "llama": (gguf.MODEL_ARCH.LLAMA, decoder(LlamaConfig, LlamaModel)),
    "qwen25_7b": (gguf.MODEL_ARCH.QWEN2, decoder(Qwen2Config, Qwen2Model)),
    "qwen3_4b": (gguf.MODEL_ARCH.QWEN3, decoder(Qwen3Config, Qwen3Model)),
    "gemma2_2b": (gguf.MODEL_ARCH.GEMMA2, decoder(Gemma2Config, Gemma2Model)),
}


@pytest.mark.parametrize("name", ENCODERS)
def test_text_encoders_have_their_own_names_and_numbers_again(name: str, tmp_path: Path):
    """Names of files as gguf's own table says them; what llama.cpp's conversion does to numbers is done here."""
    arch, make = ENCODERS[name]
    torch.manual_seed(3)
    state = {
        key: tensor for key, tensor in make().state_dict().items() if key != "encoder.embed_tokens.weight"
    }
    outer = "" if name == "t5xxl" else "model."
    table = gguf.get_tensor_name_map(arch, 2)
    tensors: dict[str, Written] = {}
    for key, tensor in state.items():
        theirs = table.get_name(outer + key, try_suffixes=(".weight", ".bias"))
        assert theirs is not None, key
        if name == "llama" and ("q_proj" in key or "k_proj" in key):
            heads = 4 if "q_proj" in key else 2
            tensor = tensor.reshape(heads, 2, -1, *tensor.shape[1:]).swapaxes(1, 2).reshape(tensor.shape)
        if name == "gemma2_2b" and key.endswith("norm.weight"):
            tensor = tensor + 1
        tensors[theirs] = (tensor.contiguous().numpy(), None)
    heads = {"llama__attention__head_count": 4, "llama__attention__head_count_kv": 2}
    path = write(tmp_path / "text.gguf", tensors, gguf.MODEL_ARCH_NAMES[arch], **heads)
    (found,) = find_texts(path)
    assert found.name.partition("_")[0] == name.partition("_")[0]
    read = found.weights.tensors(found.weights.shapes)
    assert {key.removeprefix(found.prefix) for key in read} == state.keys()
    for key, tensor in state.items():
        assert torch.allclose(read[found.prefix + key], tensor, atol=1e-6), key


PIECES = Path(__file__).parents[2] / "data" / "pieces"
TEXTS = (
    "a red cat",
    "  two  spaces ",
    "The  cat\n\n isn't 1234 redder",
    "<s>[INST]e\u0301 <|im_end|>",
    "漢字 ☃",
)


def with_words(path: Path, **said: Any) -> Path:
    """A Qwen 3, and what the header says of its words."""
    writer = gguf.GGUFWriter(path, "qwen3")
    for name, value in said.items():
        add = writer.add_array if isinstance(value, list) else writer.add_string
        (writer.add_bool if isinstance(value, bool) else add)(f"tokenizer.ggml.{name}", value)
    for name, shape in {
        "token_embd": (300, 16), "blk.0.attn_q": (16, 16), "blk.0.attn_k": (8, 16), "blk.0.attn_q_norm": (8,)
    }.items():  # fmt: skip
        writer.add_tensor(f"{name}.weight", np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def ids_of(words: Any) -> dict[str, list[int]]:
    return {text: words.encode(text, add_special_tokens=False).ids for text in TEXTS}


def read_from(path: Path) -> Any:
    (found,) = find_texts(path)
    return vocabulary(found).words


@pytest.mark.parametrize("name", ["gemma", "llama"])
def test_pieces_in_the_header_read_as_those_of_sentencepieces_file(name: str, tmp_path: Path):
    data = (PIECES / f"{name}.model").read_bytes()
    said = pieces_in(data)
    texts, scores, kinds = (
        [getattr(piece, what) for piece in said.pieces] for what in ("text", "score", "kind")
    )
    path = with_words(
        tmp_path / "text.gguf", model="llama", tokens=texts, scores=scores, token_type=kinds,
        add_space_prefix=said.first_space, remove_extra_whitespaces=said.fewer_spaces,
    )  # fmt: skip
    assert ids_of(read_from(path)) == ids_of(words_of_pieces(data))


def test_pieces_with_scores_read_as_those_of_a_file_for_t5(tmp_path: Path):
    texts = [
        "<pad>",
        "</s>",
        "<unk>",
        "\u2581",
        "\u2581a",
        "\u2581red",
        "c",
        "at",
        "\u2581cat",
        "e",
        "r",
        "d",
        "t",
        "a",
    ]
    kinds, scores = [3, 3, 2] + [1] * 11, [0.0, 0.0, 0.0, *(-float(number) for number in range(2, 13))]
    path = with_words(
        tmp_path / "text.gguf", model="t5", tokens=texts, scores=scores, token_type=kinds,
        remove_extra_whitespaces=True, precompiled_charsmap=[1, 2],
    )  # fmt: skip
    words = read_from(path)
    assert words.encode(" a  red cat", add_special_tokens=False).tokens == [
        "\u2581a",
        "\u2581red",
        "\u2581cat",
    ]
    assert words.token_to_id("</s>") == 1


MERGES = ["r e", "re d", "\u0120 c", "\u0120c a", "\u0120ca t", "t h", "1 2", "12 3"]


@pytest.mark.parametrize("pre", ["qwen2", "llama-bpe", "tekken"])
def test_merged_bytes_in_the_header_read_as_a_tokenizer_json_does(pre: str, tmp_path: Path):
    made = list(dict.fromkeys("".join(pair.split()) for pair in MERGES))
    own = ["<|endoftext|>", "<|im_end|>", "<s>", "[INST]"]
    texts = [*byte_letters(), *made, *own]
    kinds = [1] * (len(texts) - len(own)) + [3] * len(own)
    path = with_words(
        tmp_path / "text.gguf", model="gpt2", pre=pre, tokens=texts, token_type=kinds, merges=MERGES
    )
    cut = {"qwen2": merges.PATTERN, "llama-bpe": gguf_words.LLAMA3, "tekken": gguf_words.TEKKEN}[pre]
    steps: list[Any] = [{"type": "Split", "pattern": {"Regex": cut}, "behavior": "Isolated", "invert": False}]
    steps += [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]
    said = {
        "version": "1.0",
        "added_tokens": [
            {"id": texts.index(text), "content": text, "special": True, "normalized": False,
             "single_word": False, "lstrip": False, "rstrip": False} for text in own
        ],
        "normalizer": {"type": "NFC"} if pre == "qwen2" else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "model": {"type": "BPE", "vocab": {text: id for id, text in enumerate(texts)}, "merges": MERGES,
                  "ignore_merges": pre != "qwen2"},
    }  # fmt: skip
    assert ids_of(read_from(path)) == ids_of(Words.from_str(json.dumps(said)))
    known = read_from(path).encode("1234", add_special_tokens=False).tokens
    assert known == (["123", "4"] if pre == "llama-bpe" else list("1234"))


def test_words_that_are_cut_in_an_unknown_way_are_asked_for_and_damaged_ones_told(tmp_path: Path):
    said: dict[str, Any] = {"model": "gpt2", "pre": "poro", "tokens": list(byte_letters()), "merges": ["r e"]}
    (found,) = find_texts(with_words(tmp_path / "text.gguf", **said))
    with pytest.raises(VocabularyMissing):
        vocabulary(found)
    (found,) = find_texts(with_words(tmp_path / "bad.gguf", **{**said, "pre": "qwen2", "merges": ["r e d"]}))
    with pytest.raises(CheckpointUnreadable, match=r"bad\.gguf .*vocabulary"):
        vocabulary(found)


def broken(data: bytes) -> dict[str, tuple[bytes, str]]:
    """Files that are wrong in one way each, with a word of what is said of it."""
    place = data.index(b"odd") + 3
    axes, first, second, kind = 4, 8, 8, 4

    def with_number(start: int, form: str, number: int) -> bytes:
        changed = bytearray(data)
        struct.pack_into("<" + form, changed, start, number)
        return bytes(changed)

    return {
        "empty": (b"", "does not begin"),
        "another magic": (b"GGML" + data[4:], "does not begin"),
        "another version": (with_number(4, "I", 9), "version"),
        "many tensors": (with_number(8, "Q", 1 << 40), "claims"),
        "many facts": (with_number(16, "Q", 1 << 40), "claims"),
        "cut in the header": (data[: place - 2], "ends within"),
        "cut in the weights": (data[:-40], "ends at byte"),
        "many axes": (with_number(place, "I", 99), "axes"),
        "a huge axis": (with_number(place + axes, "Q", 1 << 50), "ends at byte"),
        "an odd row": (with_number(place + axes, "Q", 33), "rows of"),
        "an unknown kind": (with_number(place + axes + first + second, "I", 77), "does not read"),
        "over another": (with_number(place + axes + first + second + kind, "Q", 0), "lies over"),
        "no text": (data.replace(b"general.architecture", b"\xff" * 20), "decode"),
        "beyond the end": (with_number(place + axes + first + second + kind, "Q", 1 << 40), "ends at byte"),
        "offset": (with_number(place + axes + first + second + kind, "Q", (1 << 64) - 32), "ends at byte"),
    }


def test_damaged_files_are_refused_in_words(tmp_path: Path):
    data, kind = packed(torch.ones(4, 64), "Q8_0")
    path = write(tmp_path / "good.gguf", {"first": (np.ones(64, np.float32), None), "odd": (data, kind)})
    assert open_weights(path).shapes["odd"] == (4, 64)
    for name, (content, word) in broken(path.read_bytes()).items():
        path = tmp_path / f"{name}.gguf"
        path.write_bytes(content)
        with pytest.raises(CheckpointUnreadable, match=word):
            open_weights(path)


def test_a_file_that_becomes_shorter_is_told_when_it_is_read(tmp_path: Path):
    path = write(tmp_path / "some.gguf", {"odd": packed(torch.ones(4, 64), "Q8_0")})
    weights = open_weights(path)
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(CheckpointUnreadable, match="shorter"):
        weights.tensors(["odd"])
