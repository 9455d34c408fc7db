"""Hunyuan-DiT from a folder, prompt to latents, step by step as diffusers' pipeline: the same weights, words and noise."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, HunyuanDiT2DModel, HunyuanDiTPipeline
from safetensors.torch import save_file
from torch import Tensor
from transformers import BertConfig, BertModel, BertTokenizer, T5Config, T5EncoderModel

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.detect import text_kind
from nodes.diffusion.models.load import load_network, load_text
from nodes.diffusion.noise import start_noise
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import ended
from nodes.diffusion.text import Prompts, Reading, read_prompt
from nodes.diffusion.values import Cond, Latent
from tests.diffusion.models.test_transformers import PLACEMENT
from tests.diffusion.models.tiny import seeded
from tests.diffusion.test_text_pipeline_parity import T5_WORDS, Case

STEPS, SEED, SCALE, SHAPE = 4, 7, 5.0, (1, 4, 8, 12)
TRAINED = {"beta_start": 0.00085, "beta_end": 0.03, "beta_schedule": "scaled_linear"}
PIECES = (
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *"abcdefghijklmnopqrstuvwxyz猫红,",
    "##ed",
    "##at",
    "##in",
)


def network() -> HunyuanDiT2DModel:
    sizes = {"num_attention_heads": 2, "attention_head_dim": 16, "hidden_size": 32, "num_layers": 2}
    text = {"cross_attention_dim": 64, "cross_attention_dim_t5": 16, "pooled_projection_dim": 20}
    made = HunyuanDiT2DModel(in_channels=4, patch_size=2, **sizes, **text)
    return seeded(made, 5)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> tuple[HunyuanDiTPipeline, Path]:
    """The pipeline, and its folder as it is published: a list of word pieces for BERT."""
    folder = tmp_path_factory.mktemp("hunyuan")
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1, "intermediate_size": 48}
    bert = seeded(BertModel(BertConfig(vocab_size=len(PIECES), **sizes)), 3)
    more = {"d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2, "feed_forward_proj": "gated-gelu"}
    mt5 = seeded(T5EncoderModel(T5Config(vocab_size=250_112, d_model=16, **more)), 4)
    for part, module in (("text_encoder", bert), ("text_encoder_2", mt5), ("transformer", network())):
        module.save_pretrained(folder / part)
    for words in ("tokenizer", "tokenizer_2"):
        (folder / words).mkdir()
    (folder / "tokenizer" / "vocab.txt").write_text("\n".join(PIECES), "utf-8")
    T5_WORDS.save(str(folder / "tokenizer_2" / "tokenizer.json"))
    fast = Case("", "", network, T5_WORDS, lambda _module, _words: (torch.zeros(0), None)).fast()
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
    )
    made = HunyuanDiTPipeline(
        vae,
        bert,
        BertTokenizer(vocab={piece: number for number, piece in enumerate(PIECES)}),
        network(),
        DDIMScheduler(
            **TRAINED, prediction_type="v_prediction", clip_sample=False, timestep_spacing="trailing"
        ),
        None,  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        False,
        mt5,
        fast,
    )
    made.set_progress_bar_config(disable=True)
    return made, folder


def read(folder: Path, prompts: Prompts) -> Cond:
    made = read_prompt(text_kind(folder), Reading(load_text(folder, PLACEMENT).encoders, prompts))
    assert not made.warnings
    return Cond(made.context, made.pooled, extra=made.extra)


def test_every_step_is_the_pipelines(pipeline: tuple[HunyuanDiTPipeline, Path]):
    asked, folder = pipeline
    kept: list[Tensor] = []

    def keep(_pipeline: Any, _index: int, _time: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
        kept.append(state["latents"].clone())
        return state

    loaded = load_network(folder, PLACEMENT)
    scheduler: Any = asked.scheduler
    scheduler.set_timesteps(STEPS)
    sigmas = ended(loaded.levels.sigma(scheduler.timesteps))
    noise = start_noise(SHAPE, SEED)
    asked(
        "A red 猫, in a cabin",
        SHAPE[2] * 8,
        SHAPE[3] * 8,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        negative_prompt="red",
        latents=noise,
        output_type="latent",
        callback_on_step_end=keep,
        use_resolution_binning=False,
    )
    guided = Guided(
        loaded, (read(folder, Prompts("A red 猫, in a cabin")),), (read(folder, Prompts("red")),), SCALE
    )
    made = [step.latents for step in sample(guided, Latent(torch.zeros(SHAPE)), Run("ddim", sigmas, SEED))]
    for index, (ours, theirs) in enumerate(zip(made, kept, strict=True)):
        scaled = loaded.latent_format.to_model(ours) / (1 + sigmas[index + 1] ** 2).sqrt()
        assert float((scaled - theirs).abs().max() / theirs.abs().max()) < 1e-4
    assert float((kept[0] - kept[-1]).abs().max()) > 1e-2


def test_its_encoders_read_prompts_of_their_own_from_files_too(
    pipeline: tuple[HunyuanDiTPipeline, Path], tmp_path: Path
):
    """As the field has them: each in a file, BERT's names nested; too long a text is cut, and people are told."""
    _, folder = pipeline
    encoders = load_text(folder, PLACEMENT).encoders
    asked = {"hydit_clip": "bert.", "mt5xl": ""}
    for name, before in asked.items():
        state = encoders[name].model.state_dict()
        kept = {
            before + key: each.clone() for key, each in state.items() if "encoder.embed_tokens" not in key
        }
        save_file(kept, tmp_path / f"{name}.safetensors")
    for home, words in (("hunyuan_bert", "tokenizer/vocab.txt"), ("mt5", "tokenizer_2/tokenizer.json")):
        (tmp_path / home).mkdir()
        (tmp_path / home / Path(words).name).write_bytes((folder / words).read_bytes())
    read_from = {
        name: load_text(tmp_path / f"{name}.safetensors", PLACEMENT).encoders[name] for name in asked
    }
    own = Prompts("a red cat", {"mt5xl": "a cat"})
    one, other = (read_prompt("", Reading(each, own)) for each in (read_from, encoders))
    same = read_prompt("", Reading(encoders, Prompts("a cat")))
    assert torch.equal(one.context, other.context)
    assert torch.equal(one.extra["conditioning_mt5xl"], same.extra["conditioning_mt5xl"])  # type: ignore[arg-type]
    long = read_prompt("", Reading(read_from, Prompts("a " * 80)))
    assert long.context.shape[1] == 77 and "cut off" in long.warnings[0]


def test_a_text_of_another_length_is_an_error_in_words(pipeline: tuple[HunyuanDiTPipeline, Path]):
    loaded = load_network(pipeline[1], PLACEMENT)
    with pytest.raises(DiffusionError, match="exactly 77 tokens"):
        loaded(torch.zeros(SHAPE), torch.tensor([500.0]), torch.zeros(1, 154, 64))


def test_a_list_of_word_pieces_that_is_none_is_an_error_in_words(
    pipeline: tuple[HunyuanDiTPipeline, Path], tmp_path: Path
):
    import shutil

    shutil.copytree(pipeline[1] / "text_encoder", tmp_path / "text_encoder")
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "vocab.txt").write_text(json.dumps({"a": 1}), "utf-8")
    with pytest.raises(DiffusionError, match="vocabulary does not read"):
        load_text(tmp_path, PLACEMENT)
