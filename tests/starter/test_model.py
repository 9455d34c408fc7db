"""The shipped model: what a loader and a reader of the card may count on."""

import json
import re
from pathlib import Path

import pytest
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from nodes import starter
from nodes.starter.recipe.concepts import COLOURS, CONCEPTS, PAPERS, STYLES

_ROOM = Path(starter.__file__).parent


def _read(*parts: str) -> dict:
    return json.loads(starter.path().joinpath(*parts).read_text(encoding="utf-8"))


def test_the_folder_is_named_as_the_checkpoint_list_shows_it():
    assert starter.path().name == starter.NAME == "weft-starter-v0"
    assert starter.path().is_dir()


@pytest.mark.parametrize(
    ("part", "kind"),
    [("unet", UNet2DConditionModel), ("vae", AutoencoderKL), ("text_encoder", CLIPTextModel)],
)
def test_every_network_loads_with_all_its_weights(part, kind):
    model, report = kind.from_pretrained(starter.path(), subfolder=part, output_loading_info=True)
    assert not any(
        report[kind_of_fault] for kind_of_fault in ("missing_keys", "unexpected_keys", "mismatched_keys")
    )
    assert all(weight.isfinite().all() for weight in model.parameters())


def test_the_networks_fit_each_other():
    unet, text, vae = (
        _read("unet", "config.json"),
        _read("text_encoder", "config.json"),
        _read("vae", "config.json"),
    )
    assert unet["cross_attention_dim"] == text["hidden_size"]
    assert unet["in_channels"] == unet["out_channels"] == vae["latent_channels"] == 4
    assert unet["sample_size"] * 8 == starter.DEFAULTS.size
    assert text["vocab_size"] == len(_read("tokenizer", "vocab.json"))


def test_it_is_at_most_40_megabytes_in_half_precision():
    files = [file for file in starter.path().rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 40e6
    assert all(b'"F32"' not in file.read_bytes()[:200_000] for file in files if file.suffix == ".safetensors")


def test_the_schedule_predicts_v_and_ends_in_pure_noise():
    scheduler = DDIMScheduler.from_pretrained(starter.path(), subfolder="scheduler")
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.rescale_betas_zero_snr
    assert scheduler.config.timestep_spacing == "trailing"
    assert float(scheduler.alphas_cumprod[-1]) == pytest.approx(0, abs=1e-6)


def test_the_index_names_every_part_of_a_stable_diffusion_pipeline():
    index = _read("model_index.json")
    assert index["_class_name"] == "StableDiffusionPipeline"
    for part, (library, kind) in {k: v for k, v in index.items() if isinstance(v, list) and v[0]}.items():
        assert (starter.path() / part).is_dir(), (library, kind)


def test_every_word_of_concepts_styles_and_colours_is_one_token():
    tokenizer = CLIPTokenizer.from_pretrained(starter.path(), subfolder="tokenizer")
    words = [concept.name for concept in CONCEPTS] + [colour.word for colour in COLOURS]
    for phrase in [
        *words,
        *(style.word for style in STYLES if style.word != "3d"),
        *(p.word for p in PAPERS),
    ]:
        assert tokenizer.tokenize(phrase) == [f"{word}</w>" for word in phrase.split()]


def test_the_card_lists_exactly_the_recipes_concepts_and_styles():
    card = (_ROOM / "MODEL_CARD.md").read_text(encoding="utf-8")
    listed = re.search(r"<!-- concepts -->(.*?)<!-- end -->", card, re.DOTALL)
    assert listed is not None
    assert [name.strip() for name in listed[1].replace("\n", " ").split(",")] == [c.name for c in CONCEPTS]
    assert len(CONCEPTS) >= 96
    assert all(f"`{style.word}`" in card for style in STYLES)


def test_the_notice_names_every_set_with_version_and_licence():
    notice = (_ROOM / "NOTICE").read_text(encoding="utf-8")
    card = (_ROOM / "MODEL_CARD.md").read_text(encoding="utf-8")
    for style in STYLES:
        assert f"{style.package} {style.version}" in notice
        assert style.source in notice
        assert style.licence in card and style.package in card
