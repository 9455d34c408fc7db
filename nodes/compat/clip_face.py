"""CLIP as packs hold it: prompts to tokens, tokens (changed ones too) to conditioning."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor

from nodes.builtin.embeddings import embeddings
from nodes.builtin.encoding import encoded
from nodes.compat.conditioning import cond_pair
from nodes.compat.faced import Face, context, session
from nodes.compat.standing import Refusal
from nodes.diffusion.text import Prompts
from nodes.diffusion.text.encoder import Encoding, TextEncoder
from nodes.diffusion.text.families import read_prompt
from nodes.diffusion.text.reading import Reading
from nodes.diffusion.text.tokens import Token, Tokens
from nodes.diffusion.values import Clip, Cond
from nodes.spec import NodeError

WORD = 0  # what words are numbered by where nobody counts them


class TokenChunks(dict[str, Any]):
    """A prompt in tokens by encoder; `text` is what it was made of, `made` what it was then."""

    text: str = ""
    made: Mapping[str, Any] = {}


class CLIP(Face):
    """Text encoders: prompts to tokens, tokens to conditioning."""

    recipe: Clip
    tokenizer_options: Mapping[str, object] = {}
    add_patches = load_model = get_key_patches = generate = Refusal("comfy.sd.CLIP's weights")

    @property
    def layer_idx(self) -> int | None:
        """Which layer is read."""
        return self.recipe.last_layer

    @property
    def use_clip_schedule(self) -> bool:
        """Whether it is read once for each strength of its hooks."""
        return self.recipe.scheduled

    def clip_layer(self, layer_idx: int) -> None:
        """Read another layer from now on."""
        self.recipe = replace(self.recipe, last_layer=layer_idx)

    def tokenize(self, text: str, return_word_ids: bool = False, **more: object) -> TokenChunks:
        """By encoder, chunks of (number or vector, weight), with a third number each where they are asked for."""
        del more
        made = TokenChunks()
        find = embeddings(context())
        with session() as loaded:
            for name, encoder in loaded.text(self.recipe).items():
                made[name] = _chunks(encoder, text, partial(find, encoder=name), return_word_ids)
        made.text, made.made = (
            text,
            {name: [list(chunk) for chunk in chunks] for name, chunks in made.items()},
        )
        return made

    def encode_from_tokens(
        self, tokens: Mapping[str, Any], return_pooled: bool | str = False, return_dict: bool = False
    ) -> Any:
        """The conditioning of tokens, changed ones too; with its pooled vector, or as a dict of all there is."""
        cond = self._read(tokens)
        if return_dict:
            return {"cond": cond.context, "pooled_output": cond.pooled, **cond.extra}
        return (cond.context, cond.pooled) if return_pooled else cond.context

    def encode_from_tokens_scheduled(
        self,
        tokens: Mapping[str, Any],
        unprojected: bool = False,
        add_dict: Mapping[str, Any] | None = None,
        show_pbar: bool = True,
    ) -> list[Any]:
        """As conditioning on a wire; `add_dict` goes beside it."""
        del unprojected, show_pbar
        if self.recipe.hooks is not None and not _changed(tokens):
            read = encoded(context(), self.recipe, _text(tokens), add_dict or {})
        else:
            read = (self._read(tokens).with_extra(add_dict or {}),)
        return [cond_pair(cond) for cond in read]

    def encode(self, text: str) -> Tensor:
        """The conditioning of a text."""
        return self.encode_from_tokens(self.tokenize(text))

    def set_tokenizer_option(self, option_name: str, value: object) -> None:
        """Kept for who asks."""
        self.tokenizer_options = {**self.tokenizer_options, option_name: value}

    def _read(self, tokens: Mapping[str, Any]) -> Cond:
        if not _changed(tokens):
            return encoded(context(), replace(self.recipe, hooks=None), _text(tokens))[0]
        with session() as loaded:
            encoders = loaded.text(self.recipe)
            other = [name for name in tokens if not isinstance(encoders.get(name), TextEncoder)]
            if other:
                raise NodeError(
                    f"Tokens of {', '.join(other)} were changed, which this encoder cannot read.",
                    "Only tokens of CLIP's text models can be changed by packs here.",
                )
            given = {
                name: Tokens([[_token(*each) for each in chunk] for chunk in tokens[name]]) for name in tokens
            }
            reading = _Given(
                encoders, Prompts(""), self.recipe.last_layer, padding=self.recipe.padding, given=given
            )
            read: Encoding = read_prompt(self.recipe.kind, reading)
        return Cond(read.context, read.pooled, extra=read.extra)


@dataclass(frozen=True, slots=True, eq=False)
class _Given(Reading):
    """A reading of tokens that somebody else has made."""

    given: Mapping[str, Tokens] = field(default_factory=dict[str, Tokens])

    def tokens(self, name: str) -> Tokens:
        """Those of the encoder; none where it got none."""
        return self.given.get(name, Tokens([]))


def _chunks(encoder: Any, text: str, find: Any, numbered: bool) -> list[list[tuple[Any, ...]]]:
    if not isinstance(encoder, TextEncoder):
        return [[(text, 1.0, WORD) if numbered else (text, 1.0)]]
    chunks = encoder.tokenizer.read(text, find).chunks
    return [
        [
            (
                token.id if token.vector is None else token.vector,
                token.weight,
                *(
                    (WORD if token.id in (encoder.tokenizer.start, encoder.tokenizer.end) else place,)
                    if numbered
                    else ()
                ),
            )
            for place, token in enumerate(chunk)
        ]
        for chunk in chunks
    ]


def _token(what: Any, weight: float = 1.0, *_more: object) -> Token:
    return (
        Token(0, float(weight), what, "given")
        if isinstance(what, Tensor)
        else Token(int(what), float(weight))
    )


def _changed(tokens: Mapping[str, Any]) -> bool:
    if not isinstance(tokens, TokenChunks) or tokens.keys() != tokens.made.keys():
        return True
    return any(
        len(chunks) != len(tokens.made[name])
        or any(not _alike(now, then) for now, then in zip(chunks, tokens.made[name], strict=True))
        for name, chunks in tokens.items()
    )


def _alike(now: list[tuple[Any, ...]], then: list[tuple[Any, ...]]) -> bool:
    return len(now) == len(then) and all(
        a[1:] == b[1:] and (a[0] is b[0] or (not isinstance(a[0], Tensor) and a[0] == b[0]))
        for a, b in zip(now, then, strict=True)
    )


def _text(tokens: Mapping[str, Any]) -> str:
    return tokens.text if isinstance(tokens, TokenChunks) else ""
