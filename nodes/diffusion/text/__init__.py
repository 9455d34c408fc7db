"""Text to conditioning: weights, tokens, encoders."""

from nodes.diffusion.text.encoder import EncoderKind, Encoding, TextEncoder
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
    "EncoderKind",
    "Encoding",
    "FindEmbedding",
    "FindVectors",
    "Segment",
    "TextEncoder",
    "Token",
    "Tokenizer",
    "Tokens",
    "clip_tokenizer",
    "folder_tokenizer",
    "weighted",
]
