"""Prompts as diffusers' pipelines read them: the same tiny weights and vocabulary, every byte of a template a word."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor, nn
from transformers import (
    Gemma2Config,
    Gemma2Model,
    Gemma3TextConfig,
    Gemma3TextModel,
    LlamaConfig,
    LlamaModel,
    MistralConfig,
    MistralModel,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLModel,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.load import Placement, load_text
from nodes.diffusion.text import Encoder, Encoding, Prompts, Reading, clip_tokenizer, read_prompt
from nodes.diffusion.text.languages import LANGUAGE_KINDS
from nodes.diffusion.text.pictures import patches
from tests.diffusion.models.test_text_families import clip
from tests.diffusion.models.tiny import seeded

CPU = Placement(torch.device("cpu"), torch.float32, torch.float32)
PROMPT = 'a red cat, “weft” (and 2 dogs) in the rain: "open"'
TOLERANCE = 1e-4  # of the largest number
QWEN_WORDS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>")
QWEN_WORDS += ("<|image_pad|>", "<think>", "</think>")
LLAMA_WORDS = (
    "<|end_of_text|>",
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
MISTRAL_WORDS = ("<pad>", "<s>", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[INST]", "[/INST]")
CHAT = (  # what matters of Qwen's own
    "{%- for m in messages -%}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false -%}{{ '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif -%}{%- endif -%}"
)
MISTRAL_CHAT = (
    "{{ '<s>' }}{%- for m in messages -%}{%- if m.role == 'system' -%}"
    "{{ '[SYSTEM_PROMPT]' + m.content[0].text + '[/SYSTEM_PROMPT]' }}{%- else -%}"
    "{{ '[INST]' + m.content[0].text + '[/INST]' }}{%- endif -%}{%- endfor -%}"
)
SIZES = {"vocab_size": 272, "hidden_size": 64, "intermediate_size": 48, "num_attention_heads": 2}
SIZES |= {"num_key_value_heads": 1, "pad_token_id": 0, "num_hidden_layers": 4}


def letters(words: tuple[str, ...], before: str = "", after: str = "") -> Tokenizer:
    """A vocabulary of some whole words, the first of which fills up, and of bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({text: index for index, text in enumerate((*words, *alphabet))}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(word, special=True, normalized=False) for word in words])
    if before or after:
        around = [(word, made.token_to_id(word)) for word in (before, after) if word]
        made.post_processor = processors.TemplateProcessing(f"{before} $A {after}".strip(), None, around)
    return made


@dataclass(frozen=True)
class Case:
    """A language model, its vocabulary, and what reads it in diffusers."""

    kind: str
    home: str
    make: Callable[[], nn.Module]
    words: Tokenizer
    theirs: Callable[[nn.Module, Any], tuple[Tensor, Tensor | None]]
    prefix: str = "model."
    chat: str = ""
    more: dict[str, Any] = field(default_factory=dict[str, Any])

    def file(self, folder: Path) -> tuple[nn.Module, Path]:
        module = self.make()
        state = {
            self.prefix + name: tensor.clone()
            for name, tensor in module.state_dict().items()
            if name != "encoder.embed_tokens.weight"
        }
        if isinstance(module, Qwen2_5_VLModel):  # as people have it on disk
            state = {
                name.removeprefix("model.")
                if ".visual." in name
                else name.replace(".language_model", ""): tensor
                for name, tensor in state.items()
            }
        save_file(state, folder / "model.safetensors")
        (folder / self.home).mkdir()
        self.words.save(str(folder / self.home / "tokenizer.json"))
        return module, folder / "model.safetensors"

    def fast(self) -> PreTrainedTokenizerFast:
        words = Tokenizer.from_str(self.words.to_str())
        pad = words.id_to_token(0)
        more = {"model_max_length": 4096, "chat_template": self.chat or None} | self.more
        return PreTrainedTokenizerFast(tokenizer_object=words, pad_token=pad, **more)


def pipe(name: str, **parts: Any) -> Any:
    """A pipeline that holds nothing but what reads prompts."""
    made = getattr(diffusers, name)
    wanted = dict.fromkeys(made._get_signature_types())
    return made(**(wanted | parts))


def decoder(model: Any, config: Any, **more: Any) -> Callable[[], nn.Module]:
    return lambda: seeded(model(config(**(SIZES | more))), 11)


def t5(model: Any, config: Any, width: int) -> Callable[[], nn.Module]:
    sizes = {"vocab_size": 272, "d_model": width, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    gated = {"feed_forward_proj": "gated-gelu", "dropout_rate": 0.0}
    return lambda: seeded(model(config(**sizes, **gated)), 12)


def seeing() -> nn.Module:
    text = {**SIZES, "num_attention_heads": 2, "num_key_value_heads": 1, "num_hidden_layers": 3}
    del text["pad_token_id"]
    text["rms_norm_eps"] = 1e-6
    text["rope_parameters"] = {"rope_type": "default", "rope_theta": 1000000.0, "mrope_section": [4, 6, 6]}
    eyes = {"depth": 2, "hidden_size": 128, "intermediate_size": 32, "num_heads": 16, "out_hidden_size": 64}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=eyes, image_token_id=5)
    return seeded(Qwen2_5_VLModel(config), 13)


QWEN, LLAMA = letters(QWEN_WORDS), letters(LLAMA_WORDS, "<|begin_of_text|>")
T5_WORDS = letters(("<pad>", "</s>"), "", "</s>")
QWEN3 = {"head_dim": 32, "rope_theta": 1000000.0}
GEMMA3 = {  # the width tells its size; the sixth layer of six sees all words, by the far rope of the published 4B
    "hidden_size": 2560, "head_dim": 16, "query_pre_attn_scalar": 16, "num_hidden_layers": 7, "sliding_window": 1024,
    "rope_parameters": {
        "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    },
}  # fmt: skip


def hunyuan_video(module: nn.Module, words: Any) -> tuple[Tensor, Tensor]:
    from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import DEFAULT_PROMPT_TEMPLATE

    made = pipe("HunyuanVideoPipeline", text_encoder=module, tokenizer=words)
    return made._get_llama_prompt_embeds(PROMPT, DEFAULT_PROMPT_TEMPLATE, max_sequence_length=600)


def hunyuan_image(module: nn.Module, words: Any) -> tuple[Tensor, Tensor]:
    made = pipe("HunyuanImagePipeline", text_encoder=module, tokenizer=words)
    return made._get_qwen_prompt_embeds(words, module, PROMPT, template=made.prompt_template_encode)


def hunyuan_video_15(module: nn.Module, words: Any) -> tuple[Tensor, Tensor]:
    made = diffusers.HunyuanVideo15Pipeline
    return made._get_mllm_prompt_embeds(module, words, PROMPT, torch.device("cpu"))


def seen_by(name: str, method: str, index: int | None = None, **more: Any) -> Callable[..., Any]:
    """What a pipeline's method answers: context, then a mask where it gives one."""

    def read(module: nn.Module, words: Any) -> tuple[Tensor, Tensor | None]:
        made = getattr(pipe(name, text_encoder=module, tokenizer=words), method)([PROMPT], **more)
        if isinstance(made, Tensor):
            return made, None
        context, mask = (made[0], None) if index is None else (made[0], made[index])
        return (context if context.ndim == 3 else context[None]), mask

    return read


CASES = (
    Case("qwen_image", "qwen2", seeing, QWEN, seen_by("QwenImagePipeline", "encode_prompt")),
    Case("hunyuan_image", "qwen2", seeing, QWEN, hunyuan_image),
    Case("hunyuan_video_15", "qwen2", seeing, QWEN, hunyuan_video_15, chat=CHAT),
    Case("kandinsky5", "qwen2", seeing, QWEN, seen_by("Kandinsky5T2VPipeline", "_encode_prompt_qwen")),
    Case("kandinsky5_image", "qwen2", seeing, QWEN, seen_by("Kandinsky5T2IPipeline", "_encode_prompt_qwen")),
    Case("z_image", "qwen3", decoder(Qwen3Model, Qwen3Config, **QWEN3), QWEN,
         seen_by("ZImagePipeline", "_encode_prompt"), chat=CHAT),
    Case("flux2", "qwen3", decoder(Qwen3Model, Qwen3Config, **QWEN3 | {"num_hidden_layers": 28}), QWEN,
         seen_by("Flux2KleinPipeline", "encode_prompt"), chat=CHAT),
    Case("ovis", "qwen3", decoder(Qwen3Model, Qwen3Config, **QWEN3 | {"hidden_size": 2048}), QWEN,
         seen_by("OvisImagePipeline", "_get_ovis_prompt_embeds"), chat=CHAT),
    Case("flux2", "mistral3", decoder(MistralModel, MistralConfig, num_hidden_layers=31, head_dim=16,
         rms_norm_eps=1e-5, rope_theta=1e9, sliding_window=None), letters(MISTRAL_WORDS),
         seen_by("Flux2Pipeline", "encode_prompt"), chat=MISTRAL_CHAT, more={"padding_side": "left"}),
    Case("lumina2", "gemma2", decoder(Gemma2Model, Gemma2Config, head_dim=32), letters(("<pad>", "<bos>"), "<bos>"),
         seen_by("Lumina2Pipeline", "_get_gemma_prompt_embeds", 1)),
    Case("lumina2", "gemma3", decoder(Gemma3TextModel, Gemma3TextConfig, **GEMMA3), letters(("<pad>", "<bos>"), "<bos>"),
         seen_by("Lumina2Pipeline", "_get_gemma_prompt_embeds", 1)),
    Case("hunyuan_video", "llama3", decoder(LlamaModel, LlamaConfig, rope_theta=500000.0, rms_norm_eps=1e-5), LLAMA,
         hunyuan_video),
    Case("auraflow", "pile_t5", t5(UMT5EncoderModel, UMT5Config, 2048), T5_WORDS,
         seen_by("AuraFlowPipeline", "encode_prompt"), prefix="", more={"eos_token": "</s>"}),
    Case("wan", "umt5", t5(UMT5EncoderModel, UMT5Config, 64), T5_WORDS,
         seen_by("WanPipeline", "_get_t5_prompt_embeds", max_sequence_length=512), prefix=""),
    Case("pixart", "t5", t5(T5EncoderModel, T5Config, 64), T5_WORDS,
         seen_by("PixArtSigmaPipeline", "encode_prompt", 1), prefix=""),
    Case("chroma", "t5", t5(T5EncoderModel, T5Config, 64), T5_WORDS,
         seen_by("ChromaPipeline", "_get_t5_prompt_embeds"), prefix=""),
    Case("mochi", "t5", t5(T5EncoderModel, T5Config, 64), T5_WORDS,
         seen_by("MochiPipeline", "_get_t5_prompt_embeds", 1), prefix=""),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}-{case.home}")
def test_a_prompt_is_read_as_its_pipeline_reads_it(tmp_path: Path, case: Case):
    module, path = case.file(tmp_path)
    with torch.no_grad():
        theirs, mask = case.theirs(module, case.fast())
    plain = (
        PROMPT
        if LANGUAGE_KINDS.get(case.kind, LANGUAGE_KINDS["wan"]).template
        else PROMPT.replace("(", "\\(")
    )
    ours = read(path, Prompts(plain), case.kind)
    length = min(theirs.shape[1], ours.context.shape[1])
    if mask is not None:
        told = ours.extra["attention_mask"]
        assert isinstance(told, Tensor) and int(told.sum()) == int(mask.sum())
        length = int(mask.sum())
    assert theirs[:, :length].abs().max() > 1e-2
    assert far(ours.context[:, :length], theirs[:, :length]) < TOLERANCE


def far(ours: Tensor | None, theirs: Tensor) -> float:
    """The largest difference, of the largest number."""
    assert ours is not None and ours.shape == theirs.shape
    return float((ours - theirs).abs().max() / theirs.abs().max())


def read(path: Path, prompts: Prompts, kind: str = "") -> Encoding:
    return read_prompt(kind, Reading(load_text(path, CPU).encoders, prompts))


def clip_words(end_fills: bool) -> PreTrainedTokenizerFast:
    words = Tokenizer.from_str(clip_tokenizer().bpe.to_str())
    around = [("<|startoftext|>", 49406), ("<|endoftext|>", 49407)]
    words.post_processor = processors.TemplateProcessing("<|startoftext|> $A <|endoftext|>", None, around)
    pad = "<|endoftext|>" if end_fills else "!"
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token=pad, model_max_length=77)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[nn.Module], dict[str, Path]]:
    """CLIP-L, CLIP-G and T5, and their files; L's projection does nothing, since the field's SD3 leaves it out."""
    folder = tmp_path_factory.mktemp("several")
    made = [clip(2, "quick_gelu", 1, 64), clip(32, "gelu", 2), t5(T5EncoderModel, T5Config, 896)()]
    made[0].text_projection.weight.data.copy_(torch.eye(64))
    (folder / "t5").mkdir()
    T5_WORDS.save(str(folder / "t5" / "tokenizer.json"))
    paths = {name: folder / f"{name}.safetensors" for name in ("l", "g", "t5")}
    for path, module in zip(paths.values(), made, strict=True):
        state = module.state_dict().items()
        save_file({name: value.clone() for name, value in state if "encoder.embed_tokens" not in name}, path)
    return made, paths


def all_of(paths: dict[str, Path], *names: str) -> dict[str, Encoder]:
    return {name: one for file in names for name, one in load_text(paths[file], CPU).encoders.items()}


def test_stable_diffusion_3_is_read_as_its_pipeline_reads_it(several: Any):
    (small, large, words), paths = several
    fast = Case("", "", seeing, T5_WORDS, hunyuan_video).fast()
    made = pipe("StableDiffusion3Pipeline", text_encoder=small, text_encoder_2=large, text_encoder_3=words,
                tokenizer=clip_words(end_fills=True), tokenizer_2=clip_words(end_fills=False), tokenizer_3=fast)  # fmt: skip
    with torch.no_grad():
        theirs, _, pooled, _ = made.encode_prompt(
            PROMPT, PROMPT, PROMPT, do_classifier_free_guidance=False, max_sequence_length=77
        )
    ours = read_prompt("sd3", Reading(all_of(paths, "l", "g", "t5"), Prompts(PROMPT.replace("(", "\\("))))
    assert far(ours.context, theirs) < TOLERANCE and far(ours.pooled, pooled) < TOLERANCE


def test_flux_is_read_as_its_pipeline_reads_it(several: Any):
    (small, _, words), paths = several
    fast = Case("", "", seeing, T5_WORDS, hunyuan_video).fast()
    inner = getattr(small, "text_model", small)
    made = pipe("FluxPipeline", text_encoder=inner, text_encoder_2=words,
                tokenizer=clip_words(end_fills=True), tokenizer_2=fast)  # fmt: skip
    with torch.no_grad():
        theirs, pooled, _ = made.encode_prompt(PROMPT, PROMPT, max_sequence_length=256)
    ours = read_prompt("flux", Reading(all_of(paths, "l", "t5"), Prompts(PROMPT.replace("(", "\\("))))
    assert far(ours.context, theirs) < TOLERANCE and far(ours.pooled, pooled) < TOLERANCE


# --- pictures -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> tuple[nn.Module, Path]:
    return CASES[0].file(tmp_path_factory.mktemp("eyes"))


IMAGES = [torch.rand(1, 56, 84, 3, generator=torch.Generator().manual_seed(3)), torch.rand(1, 28, 56, 3)]


def test_pictures_are_cut_as_qwen_s_processor_cuts_them():
    pixels = [(image[0] * 255).round().to(torch.uint8) for image in IMAGES]
    theirs = Qwen2VLImageProcessorPil(size={"shortest_edge": 1, "longest_edge": 10**6})(
        [one.numpy() for one in pixels], return_tensors="pt"
    )
    ours = [patches(one[None].float() / 255.0) for one in pixels]
    assert theirs["image_grid_thw"].tolist() == [[1, one.rows, one.columns] for one in ours]
    assert torch.allclose(torch.cat([one.pixels for one in ours]), theirs["pixel_values"].float(), atol=1e-5)


def test_qwen_image_edit_sees_its_pictures(eyes: tuple[nn.Module, Path]):
    module, path = eyes
    said = (
        "".join(f"Picture {n}: <|vision_start|><|image_pad|><|vision_end|>" for n in (1, 2))
        + "mix <|image_pad|>"
    )
    ours = read(path, Prompts(said, pictures=tuple(IMAGES), manner="qwen_image_edit"), "qwen_image")
    made = pipe("QwenImageEditPlusPipeline", text_encoder=module, tokenizer=CASES[0].fast())
    text = made.prompt_template_encode.format(said.removesuffix("<|image_pad|>"))
    shown = [patches(image) for image in IMAGES]
    for one in shown:
        text = text.replace("<|image_pad|>", "<|seen|>" * one.words, 1)
    ids = torch.tensor([QWEN.encode(text.replace("<|seen|>", "<|image_pad|>")).ids])
    with torch.no_grad():
        theirs = module(
            ids, torch.ones_like(ids), pixel_values=torch.cat([one.pixels for one in shown]),
            image_grid_thw=torch.tensor([[1, one.rows, one.columns] for one in shown]),
            mm_token_type_ids=(ids == 5).int(),
        ).last_hidden_state  # fmt: skip
    assert far(ours.context, theirs[:, made.prompt_template_encode_start_idx :]) < TOLERANCE
    other = read(
        path, Prompts(said, pictures=(IMAGES[0] * 0.5, IMAGES[1]), manner="qwen_image_edit"), "qwen_image"
    )
    assert far(ours.context, other.context) > 1e-3


def test_an_encoder_without_eyes_says_so(tmp_path: Path, several: Any):
    _, path = next(case for case in CASES if case.kind == "hunyuan_video").file(tmp_path)
    with pytest.raises(DiffusionError, match="sees no pictures"):
        read(path, Prompts("a cat", pictures=(IMAGES[0],)), "hunyuan_video")
    with pytest.raises(DiffusionError, match="see no pictures"):
        read(several[1]["l"], Prompts("a cat", pictures=(IMAGES[0],)), "hunyuan_video")


def test_hunyuan_video_starts_from_what_a_vision_model_saw(tmp_path: Path):
    module, path = next(case for case in CASES if case.kind == "hunyuan_video").file(tmp_path)
    seen = torch.randn(9, 64, generator=torch.Generator().manual_seed(4)) * 0.02
    ours = read(path, Prompts("a cat", seen=seen, every=2), "hunyuan_video")
    before, _, after = (
        LANGUAGE_KINDS["hunyuan_video_i2v"].template.replace("{}", "a cat").partition("<image>")
    )
    words = module.get_input_embeddings()  # type: ignore[operator]
    head, tail = (
        words(torch.tensor(LLAMA.encode(text, add_special_tokens=False).ids)) for text in (before, after)
    )
    with torch.no_grad():
        start = words(torch.tensor([LLAMA.token_to_id("<|begin_of_text|>")]))
        whole = module(
            inputs_embeds=torch.cat((start, head, seen, tail))[None], output_hidden_states=True
        ).hidden_states[-3]
    theirs = torch.cat((whole[:, 5:14:2], whole[:, 102 + 9 : -5], whole[:, -1:]), 1)
    assert far(ours.context, theirs) < TOLERANCE
    with pytest.raises(DiffusionError, match="Load the vision model that belongs to it"):
        read(path, Prompts("a cat", seen=seen[:, :8]), "hunyuan_video")
