"""Names of tensors in GGUF files: encoders of text have those of llama.cpp, everything else those of its own layout.

Source: llama.cpp's conversion (MIT), which also turns the rows of queries and keys and adds one to Gemma's norms.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

Shape = tuple[int, ...]

T5_MARK, DECODER_MARK = "enc.blk.0.attn_q.weight", "blk.0.attn_q.weight"
T5 = {
    "attn_norm": "layer.0.layer_norm",
    "attn_q": "layer.0.SelfAttention.q",
    "attn_k": "layer.0.SelfAttention.k",
    "attn_v": "layer.0.SelfAttention.v",
    "attn_o": "layer.0.SelfAttention.o",
    "attn_rel_b": "layer.0.SelfAttention.relative_attention_bias",
    "ffn_norm": "layer.1.layer_norm",
    "ffn_gate": "layer.1.DenseReluDense.wi_0",
    "ffn_up": "layer.1.DenseReluDense.wi_1",
    "ffn_down": "layer.1.DenseReluDense.wo",
}
DECODER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
GEMMA = {
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
GEMMA_MARK = "blk.0.post_ffw_norm.weight"
BLOCK = re.compile(r"(?:enc\.)?blk\.(\d+)\.(\w+)\.(weight|bias)")
TURNED = (
    "llama"  # the architecture (Mistral's too) whose queries and keys turn in halves here, in pairs there
)


@dataclass(frozen=True, slots=True)
class Renamed:
    """A tensor's name in its network.

    Attributes:
        heads: of attention, where its rows are to be sorted from pairs into halves; 0: they lie right.
        more: what was added to it.
    """

    name: str
    heads: int = 0
    more: float = 0.0

    def change(self, tensor: Tensor) -> Tensor:
        """What becomes of a tensor on its way to the network."""
        if self.heads:
            halves = tensor.reshape(self.heads, -1, 2, *tensor.shape[1:]).swapaxes(1, 2)
            tensor = halves.reshape(tensor.shape)
        return tensor - self.more if self.more else tensor


def renamed(shapes: Mapping[str, Shape], said: Mapping[str, Any]) -> dict[str, Renamed]:
    """What each tensor of a file is called in its network, by its name in the file; those of no use are left out."""
    if T5_MARK in shapes:
        plain = "enc.blk.0.ffn_gate.weight" not in shapes
        blocks = T5 | ({"ffn_up": "layer.1.DenseReluDense.wi"} if plain else {})
        named = {
            "token_embd.weight": "shared.weight",
            "enc.output_norm.weight": "encoder.final_layer_norm.weight",
        }
        return _named(shapes, blocks, "encoder.block.", named)
    if DECODER_MARK not in shapes:
        return {name: Renamed(name) for name in shapes}
    gemma = GEMMA_MARK in shapes
    named = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}
    found = _named(shapes, DECODER | (GEMMA if gemma else {}), "model.layers.", named)
    turned = said.get("general.architecture") == TURNED
    return {name: _as_trained(one, said, gemma=gemma, turned=turned) for name, one in found.items()}


def _named(
    shapes: Mapping[str, Shape], blocks: Mapping[str, str], before: str, named: Mapping[str, str]
) -> dict[str, Renamed]:
    found: dict[str, Renamed] = {}
    for name in shapes:
        told = BLOCK.fullmatch(name)
        if name in named:
            found[name] = Renamed(named[name])
        elif told is not None and told[2] in blocks:
            found[name] = Renamed(f"{before}{told[1]}.{blocks[told[2]]}.{told[3]}")
    return found


def _as_trained(one: Renamed, said: Mapping[str, Any], *, gemma: bool, turned: bool) -> Renamed:
    if gemma and one.name.endswith("norm.weight"):
        return Renamed(one.name, more=1.0)
    for part, count in (("q_proj", "head_count"), ("k_proj", "head_count_kv")):
        if turned and f"self_attn.{part}." in one.name:
            heads = said.get(f"{TURNED}.attention.{count}", said.get(f"{TURNED}.attention.head_count"))
            return Renamed(one.name, heads=int(heads or 0))
    return one
