"""Kinds of changes: what the tensors of a small file make of a weight, one function and one row each.

Sources: Hu et al. 2021 (arXiv:2106.09685) for LoRA; Yeh et al. 2023 (arXiv:2309.14859) for kernels, LoHa and LoKr;
Chavan et al. 2023 (arXiv:2306.07967) for GLoRA; Qiu et al. 2023 (arXiv:2306.07280) for OFT; Liu et al. 2023
(arXiv:2311.06243) for BOFT; Liu et al. 2024 (arXiv:2402.09353) for DoRA; Valipour et al. 2022 (arXiv:2210.07558) for DyLoRA.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

Parts = Mapping[str, Tensor]

# How the parts of one change are called in files, by what they are. The first that fits the end of a name counts.
ENDINGS = {
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora_mid.weight": "middle",
    ".lora_A.weight": "down",
    ".lora_B.weight": "up",
    ".lora_A.default.weight": "down",
    ".lora_B.default.weight": "up",
    ".lora_A": "down",
    ".lora_B": "up",
    ".lora.down.weight": "down",
    ".lora.up.weight": "up",
    ".lora_linear_layer.down.weight": "down",
    ".lora_linear_layer.up.weight": "up",
    "_lora.down.weight": "down",
    "_lora.up.weight": "up",
    ".lora_B.bias": "bias",
    ".lora_B.default.bias": "bias",
    ".alpha": "alpha",
    ".dora_scale": "lengths",
    ".lora_magnitude_vector": "row_lengths",
    ".lora_magnitude_vector.weight": "row_lengths",
    ".lora_magnitude_vector.default.weight": "row_lengths",
    ".hada_w1_a": "one_a",
    ".hada_w1_b": "one_b",
    ".hada_w2_a": "two_a",
    ".hada_w2_b": "two_b",
    ".hada_t1": "one_t",
    ".hada_t2": "two_t",
    ".lokr_w1": "kron_one",
    ".lokr_w1_a": "kron_one_a",
    ".lokr_w1_b": "kron_one_b",
    ".lokr_w2": "kron_two",
    ".lokr_w2_a": "kron_two_a",
    ".lokr_w2_b": "kron_two_b",
    ".lokr_t2": "kron_two_t",
    ".a1.weight": "glora_a1",
    ".a2.weight": "glora_a2",
    ".b1.weight": "glora_b1",
    ".b2.weight": "glora_b2",
    ".bm.weight": "glora_bm",
    ".oft_blocks": "blocks",
    ".oft_R.weight": "skew",
    ".oft_R.default.weight": "skew",
    ".ia3_l": "factors",
    ".ia3_l.default": "factors",
    ".on_input": "on_input",
    ".rescale": "rescale",
    ".diff": "whole",
    ".diff_b": "bias",
    ".w_norm": "whole",
    ".b_norm": "bias",
    ".set_weight": "instead",
    "_norm.scale": "instead_of_norm",
    ".reshape_weight": "shape",
}
BESIDE = frozenset(
    {"alpha", "lengths", "row_lengths", "shape", "rescale", "on_input"}
)  # they change nothing by themselves


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of change.

    Attributes:
        name: what people call it.
        told_by: parts one of which tells it.
        made: what is added at strength 1, Float32 of as many numbers as the weight has, from the parts and the weight as
            earlier changes left it, both Float32.
    """

    name: str
    told_by: frozenset[str]
    made: Callable[[Parts, Tensor], Tensor]


def whole(parts: Parts, _weight: Tensor) -> Tensor:
    """The difference itself."""
    return parts["whole"]


def lora(parts: Parts, _weight: Tensor) -> Tensor:
    """Two factors, or two and a core with the kernel between them (LyCORIS, section 3.1)."""
    up, down = parts["up"], parts["down"]
    if "middle" in parts:
        made = torch.einsum("oa,ab...,bi->oi...", up.flatten(1), parts["middle"], down.flatten(1))
    else:
        made = up.flatten(1) @ down.flatten(1)
    return made * _scale(parts, down.shape[0])


def loha(parts: Parts, _weight: Tensor) -> Tensor:
    """Two products, multiplied number by number (LyCORIS, section 3.2)."""
    one = _pair(parts, "one_a", "one_b", "one_t")
    return one * _pair(parts, "two_a", "two_b", "two_t") * _scale(parts, parts["one_b"].shape[0])


def lokr(parts: Parts, _weight: Tensor) -> Tensor:
    """Kronecker's product of two matrices, each whole or in factors (LyCORIS, section 3.3)."""
    ranks = [parts[name].shape[0] for name in ("kron_two_b", "kron_one_b") if name in parts]
    one = parts["kron_one"] if "kron_one" in parts else parts["kron_one_a"] @ parts["kron_one_b"]
    two = parts["kron_two"] if "kron_two" in parts else _pair(parts, "kron_two_a", "kron_two_b", "kron_two_t")
    made = torch.kron(one.reshape(*one.shape, *[1] * (two.ndim - one.ndim)), two.contiguous())
    return made * _scale(parts, ranks[0]) if ranks else made


def glora(parts: Parts, weight: Tensor) -> Tensor:
    """The weight times a product, and another product (GLoRA, eq. 10, without its prompt and biases).

    Files have the factors in either order; that one whose outer side is the weight's counts.
    """
    one, two, three, four = (parts[f"glora_{name}"] for name in ("a1", "a2", "b1", "b2"))
    if three.shape[0] != weight.shape[0] or one.shape[0] != weight.shape[1]:
        one, two, three, four = two, one, four, three
    rank = four.shape[0]
    if "glora_bm" in parts:
        added = torch.einsum("oa,ab...,bi->oi...", three.flatten(1), parts["glora_bm"], four.flatten(1))
    else:
        added = three.flatten(1) @ four.flatten(1)
    turned = torch.einsum("oi...,ij->oj...", weight, one.flatten(1) @ two.flatten(1))
    return (turned + added.reshape(weight.shape)) * _scale(parts, rank)


def oft(parts: Parts, weight: Tensor) -> Tensor:
    """Blocks of rows turned by rotations: one per block (OFT, section 3), or stages of them (BOFT, section 4)."""
    blocks = parts["blocks"]
    turns = _rotations(blocks, _number(parts, "alpha", 0.0) * weight.shape[0])
    size = blocks.shape[-1]
    made = weight.flatten(1)
    if blocks.ndim == 3:
        made = torch.einsum("knm,kn...->km...", turns, made.reshape(-1, size, made.shape[1])).flatten(0, 1)
    else:
        for stage, turn in enumerate(turns):
            reach, count = 2**stage * (size // 2), made.shape[1]
            paired = made.reshape(-1, 2, reach, count).transpose(1, 2).reshape(-1, size, count)
            turned = torch.einsum("kij,kj...->ki...", turn, paired)
            made = turned.reshape(-1, reach, 2, count).transpose(1, 2).reshape(-1, count)
    if "rescale" in parts:
        made = made * parts["rescale"].reshape(-1, 1)
    return made.reshape(weight.shape) - weight


def turned(parts: Parts, weight: Tensor) -> Tensor:
    """Columns turned block by block, each by what its upper half of a skew matrix says (Qiu et al. 2025, arXiv:2506.19847).

    The rotation is the first five terms of Cayley's series, with which PEFT trains unless it is told otherwise: files do not
    say. One block alone stands for all.
    """
    vectors, made = parts["skew"], weight.flatten(1)
    size = round((1.0 + (1.0 + 8.0 * vectors.shape[-1]) ** 0.5) / 2.0)
    rows, columns = torch.triu_indices(size, size, 1, device=weight.device)
    skew = torch.zeros(len(vectors), size, size, device=weight.device)
    skew[:, rows, columns] = vectors
    skew = skew - skew.transpose(1, 2)
    square = skew @ skew
    turns = torch.eye(size, device=weight.device) + 2.0 * (skew + square + square @ skew) + square @ square
    blocks = made.reshape(len(made), -1, size)
    if len(turns) not in (1, blocks.shape[1]):
        raise ValueError(f"it turns {len(turns)} blocks of {size} columns, the weight has {made.shape[1]}")
    turns = turns.expand(blocks.shape[1], -1, -1)
    return torch.einsum("rbj,bij->rbi", blocks, turns).reshape(weight.shape) - weight


def factors(parts: Parts, weight: Tensor) -> Tensor:
    """Rows or columns times learned numbers (Liu et al. 2022, (IA)3, arXiv:2205.05638, eq. 1)."""
    numbers = parts["factors"]
    columns = numbers.shape[0] == 1 and numbers.numel() == weight.shape[1]
    return weight * _along(numbers, weight, columns=columns) - weight


def scaled(parts: Parts, weight: Tensor) -> Tensor:
    """The same as LyCORIS keeps it: by how much more than once, and whether of columns."""
    return weight * _along(parts["more"], weight, columns=bool(parts["on_input"].any()))


def instead(parts: Parts, weight: Tensor) -> Tensor:
    """Another weight in the place of this one."""
    return parts["instead"].reshape(weight.shape) - weight


KINDS = (
    Kind("full", frozenset({"instead"}), instead),
    Kind("difference", frozenset({"whole"}), whole),
    Kind("LoRA", frozenset({"up", "down"}), lora),
    Kind("LoHa", frozenset({"one_a"}), loha),
    Kind("LoKr", frozenset({"kron_one", "kron_one_a"}), lokr),
    Kind("GLoRA", frozenset({"glora_a1"}), glora),
    Kind("OFT", frozenset({"blocks"}), oft),
    Kind("OFT of PEFT", frozenset({"skew"}), turned),
    Kind("(IA)3", frozenset({"factors"}), factors),
    Kind("(IA)3 of LyCORIS", frozenset({"more"}), scaled),
)


def added(parts: Parts, weight: Tensor) -> Tensor | None:
    """What a change adds to a weight at strength 1, of the weight's shape; None where it leaves it alone.

    Args:
        parts: by the names of `ENDINGS`, Float32.
        weight: as earlier changes left it, Float32.

    Raises:
        RuntimeError, KeyError, ValueError, IndexError: parts are missing, or fit neither each other nor the weight.
    """
    kind = next((kind for kind in KINDS if kind.told_by & parts.keys()), None)
    if kind is None:
        return None
    made = kind.made(parts, weight)
    if made.shape[:1] != weight.shape[:1]:
        raise ValueError(f"its result is {tuple(made.shape)}, the weight is {tuple(weight.shape)}")
    made = made.reshape(weight.shape)
    if "row_lengths" in parts:
        return _with_lengths(weight, made, parts["row_lengths"].reshape(-1, 1))
    return _with_lengths(weight, made, parts["lengths"]) if "lengths" in parts else made


def _along(numbers: Tensor, weight: Tensor, *, columns: bool) -> Tensor:
    """Numbers for the rows of a weight, or for its columns, so that they can be multiplied with it."""
    shape = (1, -1) if columns else (-1,)
    return numbers.reshape(*shape, *[1] * (weight.ndim - len(shape)))


def _pair(parts: Parts, a: str, b: str, core: str) -> Tensor:
    """A product of two factors, or of two and a core with the kernel."""
    if core in parts:
        return torch.einsum("ij...,ip,jr->pr...", parts[core], parts[a], parts[b])
    return parts[a].flatten(1) @ parts[b].flatten(1)


def _rotations(blocks: Tensor, limit: float) -> Tensor:
    """Cayley's rotations of skew parts, all of them together no longer than a limit; 0 is none (OFT, eq. 4 and 5)."""
    skew = blocks - blocks.transpose(-1, -2)
    length = float(skew.detach().pow(2).sum().sqrt())
    if 0.0 < limit < length:
        skew = skew * (limit / length)
    one = torch.eye(blocks.shape[-1], device=blocks.device)
    return (one + skew) @ torch.inverse(one - skew)


def _scale(parts: Parts, rank: int) -> float:
    return _number(parts, "alpha", float(rank)) / rank


def _number(parts: Parts, name: str, otherwise: float) -> float:
    return float(parts[name]) if name in parts else otherwise


def _with_lengths(original: Tensor, added: Tensor, lengths: Tensor) -> Tensor:
    """The change whose result has rows, or columns, of given lengths (DoRA, eq. 5)."""
    changed = original + added
    columns = original.ndim > 1 and lengths.numel() == original.shape[1] and lengths.shape[0] == 1
    axes = tuple(axis for axis in range(original.ndim) if axis != (1 if columns else 0))
    norms = changed.pow(2).sum(dim=axes, keepdim=True).sqrt() + torch.finfo(torch.float32).eps
    return changed * (lengths.reshape(norms.shape) / norms) - original
