"""Text to conditioning: weights, tokens, encoders, and how families join what several of them say."""

from nodes.diffusion.text.encoder import EncoderKind, Encoding, TextEncoder
from nodes.diffusion.text.families import known_type, read_prompt
from nodes.diffusion.text.language import LanguageEncoder, LanguageKind, WordTokenizer
from nodes.diffusion.text.reading import Encoder, Prompts, Reading
from nodes.diffusion.text.scheduling import Part, scheduled
from nodes.diffusion.text.tokens import (
    FindEmbedding,
    FindVectors,
    Token,
    Tokenizer,
    Tokens,
    clip_tokenizer,
    folder_tokenizer,
)
from nodes.diffusion.text.weighting import Segment, weighted

__all__ = [
    "Encoder",
    "EncoderKind",
    "Encoding",
    "FindEmbedding",
    "FindVectors",
    "LanguageEncoder",
    "LanguageKind",
    "Part",
    "Prompts",
    "Reading",
    "Segment",
    "TextEncoder",
    "Token",
    "Tokenizer",
    "Tokens",
    "WordTokenizer",
    "clip_tokenizer",
    "folder_tokenizer",
    "known_type",
    "read_prompt",
    "scheduled",
    "weighted",
]
