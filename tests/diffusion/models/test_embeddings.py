"""Learned embeddings in prompts."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.models.embeddings import read_embedding
from nodes.diffusion.models.load import load_text
from nodes.diffusion.text import clip_tokenizer
from tests.diffusion.models import tiny

CHANCE = torch.Generator().manual_seed(1)
STYLE = torch.randn(3, tiny.CONTEXT, generator=CHANCE)
KNOWN = {"style": STYLE, "odd,name": STYLE[:1], "wide": torch.randn(1, 768, generator=CHANCE)}


@pytest.fixture(scope="module")
def encoder(model_file, placement):
    return load_text(model_file, placement).encoders["l"]


def test_vectors_stand_where_their_name_does(encoder):
    chunk = encoder.tokenizer.read("a embedding:style cat", KNOWN.get).chunks[0]
    places = [place for place, token in enumerate(chunk) if token.vector is not None]
    assert places == [2, 3, 4]
    assert [token.id for token in chunk[:2] + chunk[5:7]] == [
        token.id for token in encoder.tokenizer.chunks("a cat")[0][:4]
    ][:2] + [token.id for token in encoder.tokenizer.chunks("a cat")[0][2:4]]


def test_the_vectors_of_words_say_what_the_words_say(encoder):
    inner = getattr(encoder.model, "text_model", encoder.model)
    ids = [token.id for token in encoder.tokenizer.chunks("red cat")[0][1:3]]
    vectors = inner.embeddings.token_embedding.weight[ids]
    made = encoder.encode("a embedding:both (here:1.2)", find={"both": vectors}.get)
    assert torch.allclose(made.context, encoder.encode("a red cat (here:1.2)").context, atol=1e-6)
    assert torch.allclose(made.pooled, encoder.encode("a red cat (here:1.2)").pooled, atol=1e-6)
    assert made.warnings == ()


@pytest.mark.parametrize(
    "prompt", ["embedding:style, cat", "(embedding:style, cat:1.3)", "cat\nembedding:style,"]
)
def test_a_comma_after_a_name_is_none_of_it(prompt):
    read = clip_tokenizer().read(prompt, KNOWN.get)
    assert sum(token.vector is not None for token in read.chunks[0]) == 3 and read.warnings == ()
    assert clip_tokenizer().chunks(",")[0][1].id in [token.id for token in read.chunks[0]]


def test_a_name_may_hold_a_comma():
    read = clip_tokenizer().read("embedding:odd,name", KNOWN.get)
    assert sum(token.vector is not None for token in read.chunks[0]) == 1 and read.warnings == ()


def test_a_name_within_a_word_is_text():
    read = clip_tokenizer().read("myembedding:style", KNOWN.get)
    assert all(token.vector is None for token in read.chunks[0]) and read.warnings == ()


def test_a_missing_one_is_left_out_with_a_word_about_it(encoder):
    made = encoder.encode("a embedding:gone cat", find=KNOWN.get)
    assert "gone" in made.warnings[0]
    assert torch.equal(made.context, encoder.encode("a cat").context)


def test_one_of_another_width_is_left_out_and_the_chunk_filled_up(encoder):
    made = encoder.encode("a cat embedding:wide", find=KNOWN.get)
    assert "width" in made.warnings[0]
    assert torch.equal(made.context, encoder.encode("a cat").context)


def test_its_weight_counts(encoder):
    light = encoder.encode("a (embedding:style:0.5)", find=KNOWN.get)
    assert not torch.allclose(light.context, encoder.encode("a embedding:style", find=KNOWN.get).context)


@given(
    st.lists(
        st.sampled_from(["embedding:style ", "cat ", "(red:1.2) ", "embedding:gone ", ", "]), max_size=60
    )
)
def test_any_mixture_becomes_whole_chunks_that_hold_every_vector(parts):
    read = clip_tokenizer().read("".join(parts), KNOWN.get)
    assert all(len(chunk) == 77 for chunk in read.chunks)
    vectors = sum(token.vector is not None for chunk in read.chunks for token in chunk)
    assert vectors == 3 * parts.count("embedding:style ")


FILES = {  # of the families' encoders, as trainers write them
    "SD1": ({"l": "emb_params"}, {}),
    "SD2": ({"h": "<token>"}, {}),
    "SDXL": ({"l": "clip_l", "g": "clip_g"}, {"t5xxl": "none for t5xxl"}),
    "SDXL of diffusers": ({"l": "text_encoders_0", "g": "text_encoders_1"}, {}),
    "SD3": ({"l": "clip_l", "g": "clip_g", "t5xxl": "t5xxl"}, {"h": "none for clip_h"}),
    "FLUX.1": ({"l": "clip_l", "t5xxl": "t5"}, {"g": "none for clip_g"}),
}


@pytest.mark.parametrize("family", FILES)
def test_each_encoder_gets_the_vectors_that_are_its_own(tmp_path, family):
    held, missing = FILES[family]
    stored = {name: torch.full((2, 3 + index), float(index)) for index, name in enumerate(held.values())}
    save_file(stored, tmp_path / "style.safetensors")
    for encoder, name in held.items():
        assert torch.equal(read_embedding(tmp_path / "style.safetensors", encoder), stored[name])
    for encoder, said in missing.items():
        with pytest.raises(CheckpointUnknown, match=said):
            read_embedding(tmp_path / "style.safetensors", encoder)
