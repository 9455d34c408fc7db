"""Kinds of changes: each against its formula, written out densely; strengths, call order, and files that are wrong."""

import math

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from nodes.diffusion.errors import CheckpointUnknown
from nodes.diffusion.lora_files import Strong, read_lora
from nodes.diffusion.patches import Patcher

CHANCE = torch.Generator().manual_seed(11)
OUT, IN, RANK = 16, 12, 2


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=CHANCE)


WEIGHTS = {
    "line": drawn(OUT, IN),
    "kernel": drawn(OUT, IN, 3, 3),
    "norm": drawn(OUT),
    "kernel1d": drawn(OUT, IN, 3),
}


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(IN, OUT)
        self.kernel = nn.Conv2d(IN, OUT, 3)
        self.kernel1d = nn.Conv1d(IN, OUT, 3)
        self.norm = nn.LayerNorm(OUT)
        self.table = nn.Parameter(torch.ones(3, 4))
        for name, weight in WEIGHTS.items():
            self.get_submodule(name).weight.data = weight.clone()
        self.requires_grad_(requires_grad=False)


def put_on(tmp_path, tensors, *strengths: float, place: str = "line"):
    """What a file makes of a weight, put on once for each strength; and the patcher."""
    file = tmp_path / "a.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    net = Net()
    patches = Patcher(net, ("unet.",))
    patches.put_on([Strong(read_lora(file), strength) for strength in strengths or (1.0,)])
    return net.get_submodule(place).weight, patches


def under(place: str, parts: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"unet.{place}.{name}": tensor for name, tensor in parts.items()}


def tucker(core, a, b):
    """Entry by entry: every kernel of the core, weighed by both factors."""
    made = torch.zeros(a.shape[1], b.shape[1], *core.shape[2:])
    for i in range(core.shape[0]):
        for j in range(core.shape[1]):
            made += a[i].reshape(-1, 1, 1, 1) * b[j].reshape(1, -1, 1, 1) * core[i, j]
    return made


def kron(one, two):
    """Entry by entry: block (a, b) is one[a, b] times the other matrix."""
    return torch.cat([torch.cat([number * two for number in row], 1) for row in one])


def rotation(block, limit: float = 0.0, total: float = 0.0):
    skew = block - block.T
    if 0 < limit < total:
        skew = skew * limit / total
    one = torch.eye(len(block))
    return (one + skew) @ torch.inverse(one - skew)


def loha(place):
    one_a, one_b, two_a, two_b = drawn(OUT, RANK), drawn(RANK, IN), drawn(OUT, RANK), drawn(RANK, IN)
    parts = {"hada_w1_a": one_a, "hada_w1_b": one_b, "hada_w2_a": two_a, "hada_w2_b": two_b}
    return parts | {"alpha": torch.tensor(3.0)}, (one_a @ one_b) * (two_a @ two_b) * 3 / RANK


def loha_with_cores(place):
    one_t, two_t = drawn(RANK, RANK, 3, 3), drawn(RANK, RANK, 3, 3)
    one_a, one_b, two_a, two_b = drawn(RANK, OUT), drawn(RANK, IN), drawn(RANK, OUT), drawn(RANK, IN)
    parts = {"hada_w1_a": one_a, "hada_w1_b": one_b, "hada_w2_a": two_a, "hada_w2_b": two_b}
    parts |= {"hada_t1": one_t, "hada_t2": two_t, "alpha": torch.tensor(1.0)}
    return parts, tucker(one_t, one_a, one_b) * tucker(two_t, two_a, two_b) / RANK


def lokr_whole(place):
    one, two = drawn(4, 3), drawn(4, 4)
    return {"lokr_w1": one, "lokr_w2": two, "alpha": torch.tensor(7.0)}, kron(one, two)


def lokr_factors(place):
    one_a, one_b, two_a, two_b = drawn(4, RANK), drawn(RANK, 3), drawn(4, RANK), drawn(RANK, 4)
    parts = {"lokr_w1_a": one_a, "lokr_w1_b": one_b, "lokr_w2_a": two_a, "lokr_w2_b": two_b}
    return parts | {"alpha": torch.tensor(3.0)}, kron(one_a @ one_b, two_a @ two_b) * 3 / RANK


def lokr_kernel(place):
    one, two_a, two_b = drawn(4, 3), drawn(4, RANK), drawn(RANK, 4 * 9)
    made = kron(one, (two_a @ two_b).reshape(4, 4, 3, 3))
    return {"lokr_w1": one, "lokr_w2_a": two_a, "lokr_w2_b": two_b}, made


def lokr_core(place):
    one, core, two_a, two_b = drawn(4, 3), drawn(RANK, RANK, 3, 3), drawn(RANK, 4), drawn(RANK, 4)
    parts = {"lokr_w1": one, "lokr_w2_a": two_a, "lokr_w2_b": two_b, "lokr_t2": core}
    return parts, kron(one, tucker(core, two_a, two_b))


def glora(place):
    weight = WEIGHTS[place]
    a1, a2, b1, b2 = drawn(IN, RANK), drawn(RANK, IN), drawn(OUT, RANK), drawn(RANK, weight[0].numel())
    turned = (
        torch.stack([part @ (a1 @ a2) for part in weight.flatten(2).permute(2, 0, 1)], -1)
        if weight.ndim > 2
        else (weight @ a1 @ a2)
    )
    made = (turned.reshape(weight.shape) + (b1 @ b2).reshape(weight.shape)) * 3 / RANK
    parts = {"a1.weight": a1, "a2.weight": a2, "b1.weight": b1, "b2.weight": b2, "alpha": torch.tensor(3.0)}
    return parts, made


def first_glora(place):
    parts, made = glora(place)
    swap = {
        "a1.weight": "a2.weight",
        "a2.weight": "a1.weight",
        "b1.weight": "b2.weight",
        "b2.weight": "b1.weight",
    }
    return {swap.get(name, name): tensor for name, tensor in parts.items()}, made


def oft(place):
    weight, blocks = WEIGHTS[place], 0.2 * drawn(4, 4, 4)
    whole = torch.block_diag(*(rotation(block).T for block in blocks))
    return {"oft_blocks": blocks}, (whole @ weight.flatten(1)).reshape(weight.shape) - weight


def oft_held(place):
    weight, blocks, lengths = WEIGHTS[place], drawn(2, 8, 8), drawn(OUT, 1)
    total = (blocks - blocks.transpose(1, 2)).norm().item()
    whole = torch.block_diag(*(rotation(block, 0.05 * OUT, total).T for block in blocks))
    made = lengths * (whole @ weight.flatten(1)) - weight.flatten(1)
    parts = {
        "oft_blocks": blocks,
        "alpha": torch.tensor(0.05),
        "rescale": lengths.reshape(OUT, *[1] * (weight.ndim - 1)),
    }
    return parts, made.reshape(weight.shape)


def boft(place):
    """Stage i turns groups of rows that lie 2**i half-blocks apart."""
    weight, blocks = WEIGHTS[place], 0.2 * drawn(3, 4, 4, 4)
    made, half = weight.flatten(1).clone(), 2
    for stage, stage_blocks in enumerate(blocks):
        reach = 2**stage * half
        order = [
            start + side * reach + place
            for start in range(0, OUT, 2 * reach)
            for place in range(reach)
            for side in (0, 1)
        ]
        turned = torch.block_diag(*(rotation(block) for block in stage_blocks)) @ made[order]
        made = torch.empty_like(made)
        made[order] = turned
    return {"oft_blocks": blocks}, made.reshape(weight.shape) - weight


def dora_rows(place):
    weight, up, down, lengths = (
        WEIGHTS[place],
        drawn(OUT, RANK),
        drawn(RANK, WEIGHTS[place][0].numel()),
        drawn(OUT),
    )
    changed = weight + (up @ down).reshape(weight.shape)
    made = torch.stack([row * length / row.norm() for row, length in zip(changed, lengths, strict=True)])
    down = down.reshape(RANK, *weight.shape[1:])
    return {"lora_A.weight": down, "lora_B.weight": up, "dora_scale": lengths.reshape(-1, 1)}, made - weight


def dora_of_peft(place):
    parts, made = dora_rows(place)
    lengths = parts.pop("dora_scale").flatten()
    return parts | {"lora_magnitude_vector": lengths}, made


def dora_columns(place):
    weight, up, down, lengths = (
        WEIGHTS[place],
        drawn(OUT, RANK),
        drawn(RANK, WEIGHTS[place][0].numel()),
        drawn(IN),
    )
    changed = weight + (up @ down).reshape(weight.shape)
    columns = [changed[:, i] * lengths[i] / changed[:, i].norm() for i in range(IN)]
    parts = {"lora_up.weight": up, "lora_down.weight": down.reshape(RANK, *weight.shape[1:])}
    return parts | {"dora_scale": lengths.reshape(1, IN, *[1] * (weight.ndim - 2))}, torch.stack(
        columns, 1
    ) - weight


def difference(place):
    made = drawn(*WEIGHTS[place].shape)
    return {"diff": made}, made


def norm(place):
    made = drawn(*WEIGHTS[place].shape)
    return {"w_norm": made, "b_norm": drawn(OUT)}, made


def middle1d(place):
    up, core, down = drawn(OUT, RANK, 1), drawn(RANK, RANK, 3), drawn(RANK, IN, 1)
    made = torch.stack([up[..., 0] @ core[..., k] @ down[..., 0] for k in range(3)], -1)
    return {"lora_up.weight": up, "lora_mid.weight": core, "lora_down.weight": down}, made


def turns(place):
    """Each block of columns by the series that PEFT sums, written out term by term."""
    size = 4
    count = WEIGHTS[place][0].numel() // size
    vectors = 0.1 * drawn(count, size * (size - 1) // 2)
    made = WEIGHTS[place].flatten(1).clone()
    for block in range(count):
        skew, numbers = torch.zeros(size, size), iter(vectors[block])
        for row in range(size):
            for column in range(row + 1, size):
                skew[row, column] = next(numbers)
        skew = skew - skew.T
        turn = (
            torch.eye(size) + 2 * skew + 2 * skew @ skew + 2 * skew @ skew @ skew + skew @ skew @ skew @ skew
        )
        columns = slice(block * size, (block + 1) * size)
        made[:, columns] = (turn @ made[:, columns].T).T
    return {"oft_R.weight": vectors}, made.reshape(WEIGHTS[place].shape) - WEIGHTS[place]


def turns_alike(place):
    parts, _ = turns(place)
    one = parts["oft_R.weight"][:1]
    again, size = rotation_series(one[0]), 4
    made = WEIGHTS[place].reshape(OUT, -1, size) @ again.T
    return {"oft_R.default.weight": one}, made.reshape(WEIGHTS[place].shape) - WEIGHTS[place]


def rotation_series(vector):
    skew = torch.zeros(4, 4)
    skew[tuple(torch.triu_indices(4, 4, 1))] = vector
    skew = skew - skew.T
    return torch.eye(4) + sum(
        (2 if power < 4 else 1) * torch.matrix_power(skew, power) for power in range(1, 5)
    )


def ia3_rows(place):
    numbers = drawn(OUT, 1)
    return {"ia3_l": numbers}, WEIGHTS[place] * (numbers - 1.0).reshape(OUT, *[1] * (WEIGHTS[place].ndim - 1))


def ia3_columns(place):
    numbers = drawn(1, IN)
    return {"ia3_l.default": numbers}, WEIGHTS[place] * (numbers - 1.0)


def ia3_of_lycoris(place):
    numbers, on_input = drawn(1, IN), torch.tensor(True)
    shaped = numbers.reshape(1, IN, *[1] * (WEIGHTS[place].ndim - 2))
    return {"weight": shaped, "on_input": on_input}, WEIGHTS[place] * shaped


def ia3_of_lycoris_rows(place):
    numbers = drawn(OUT, 1)
    shaped = numbers.reshape(OUT, *[1] * (WEIGHTS[place].ndim - 1))
    return {"weight": shaped, "on_input": torch.tensor(False)}, WEIGHTS[place] * shaped


def dylora(place):
    downs, ups = [drawn(1, IN) for _ in range(11)], [drawn(OUT, 1) for _ in range(11)]
    parts = {f"lora_A.{rank}": part for rank, part in enumerate(downs)}
    parts |= {f"lora_B.{rank}": part for rank, part in enumerate(ups)}
    return parts | {"alpha": torch.tensor(5.5)}, sum(
        up @ down for up, down in zip(ups, downs, strict=True)
    ) / 2


def dylora_of_lycoris(place):
    downs, ups = [drawn(2, IN) for _ in range(2)], [drawn(OUT, 2) for _ in range(2)]
    parts = {f"down_list.{part}": tensor for part, tensor in enumerate(downs)}
    parts |= {f"up_list.{part}": tensor for part, tensor in enumerate(ups)}
    return parts, sum(up @ down for up, down in zip(ups, downs, strict=True))


CASES = [
    (turns, "line"), (turns, "kernel"), (turns_alike, "line"), (ia3_rows, "line"), (ia3_rows, "kernel"),
    (ia3_columns, "line"), (ia3_of_lycoris, "line"), (ia3_of_lycoris, "kernel"), (ia3_of_lycoris_rows, "kernel"),
    (dylora, "line"), (dylora_of_lycoris, "line"),
    (loha, "line"), (loha_with_cores, "kernel"), (lokr_whole, "line"), (lokr_factors, "line"), (lokr_kernel, "kernel"),
    (lokr_core, "kernel"), (glora, "line"), (glora, "kernel"), (first_glora, "line"), (oft, "line"), (oft, "kernel"),
    (oft_held, "line"), (oft_held, "kernel"), (boft, "line"), (boft, "kernel"), (dora_rows, "line"), (dora_rows, "kernel"),
    (dora_columns, "line"), (dora_columns, "kernel"), (dora_of_peft, "line"), (dora_of_peft, "kernel"),
    (difference, "kernel"), (norm, "norm"), (middle1d, "kernel1d"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "place"), CASES)
@pytest.mark.parametrize("strength", [1.0, -0.4])
def test_a_kind_adds_what_its_formula_says(kind, place, strength, tmp_path):
    parts, made = kind(place)
    weight, patches = put_on(tmp_path, under(place, parts), strength, place=place)
    assert patches.unmatched == ()
    scale = made.abs().max()
    assert torch.allclose(weight / scale, (WEIGHTS[place] + strength * made) / scale, atol=2e-5)
    patches.take_off()
    assert all(torch.equal(patches.module.get_submodule(name).weight, had) for name, had in WEIGHTS.items())


def test_numbers_for_rows_count_for_the_bias_too(tmp_path):
    numbers = drawn(OUT, 1)
    _, patches = put_on(tmp_path, {"unet.line.ia3_l": numbers}, 1.0)
    patches.take_off()
    net = patches.module
    net.line.bias.data = torch.full((OUT,), 2.0)
    patches.put_on([Strong(read_lora(tmp_path / "a.safetensors"), 0.5)])
    torch.testing.assert_close(net.line.bias, 2.0 + 0.5 * 2.0 * (numbers[:, 0] - 1.0))


def test_a_full_weight_stands_in_the_place_of_the_old_one_however_strong(tmp_path):
    instead = drawn(OUT, IN)
    weight, _ = put_on(tmp_path, {"unet.line.set_weight": instead}, 0.3)
    assert torch.allclose(weight, instead, atol=1e-6)


def test_what_turns_a_weight_turns_what_earlier_files_have_made_of_it(tmp_path):
    blocks = 0.3 * drawn(4, 4, 4)
    weight, _ = put_on(tmp_path, under("line", {"oft_blocks": blocks}), 1.0, 1.0)
    turn = torch.block_diag(*(rotation(block).T for block in blocks))
    assert torch.allclose(weight, turn @ turn @ WEIGHTS["line"], atol=1e-5)


def test_a_bare_parameter_and_a_bias_are_changed_too(tmp_path):
    made, bias = drawn(3, 4), drawn(OUT)
    tensors = {
        "unet.table.diff": made,
        "unet.line.lora_B.bias": bias,
        "unet.line.lora_B.weight": drawn(OUT, RANK),
    }
    _, patches = put_on(tmp_path, tensors | {"unet.line.lora_A.weight": drawn(RANK, IN)}, 2.0)
    assert torch.allclose(patches.module.get_parameter("table"), 1 + 2 * made)
    changed = patches.module.get_parameter("line.bias")
    patches.take_off()
    had = patches.module.get_parameter("line.bias")
    assert torch.allclose(changed, had + 2 * bias, atol=1e-6)


def test_a_weight_grows_by_zeros_to_the_shape_that_a_file_says(tmp_path):
    up, down = drawn(OUT, RANK), drawn(RANK, 2 * IN)
    tensors = {"unet.line.lora_up.weight": up, "unet.line.lora_down.weight": down}
    tensors["unet.line.reshape_weight"] = torch.tensor([OUT, 2 * IN])
    weight, patches = put_on(tmp_path, tensors)
    expected = torch.cat((WEIGHTS["line"], torch.zeros(OUT, IN)), 1) + up @ down
    assert torch.allclose(weight, expected, atol=1e-5) and patches.wider == {"line.weight": 2.0}
    patches.take_off()
    assert torch.equal(patches.module.get_parameter("line.weight"), WEIGHTS["line"]) and patches.wider == {}


def test_an_alpha_of_nothing_changes_nothing(tmp_path):
    parts = {
        "lora_up.weight": drawn(OUT, RANK),
        "lora_down.weight": drawn(RANK, IN),
        "alpha": torch.tensor(0.0),
    }
    weight, _ = put_on(tmp_path, under("line", parts))
    assert torch.equal(weight, WEIGHTS["line"])


WRONG = {
    "ranks that differ": {"lora_up.weight": drawn(OUT, 3), "lora_down.weight": drawn(RANK, IN)},
    "other columns": {"lora_up.weight": drawn(OUT, RANK), "lora_down.weight": drawn(RANK, IN + 1)},
    "rows and columns changed": {"lora_up.weight": drawn(IN, RANK), "lora_down.weight": drawn(RANK, OUT)},
    "a half": {"lora_up.weight": drawn(OUT, RANK)},
    "half a pair": {"hada_w1_a": drawn(OUT, RANK), "hada_w1_b": drawn(RANK, IN)},
    "blocks of other rows": {"oft_blocks": drawn(3, 4, 4)},
    "several alphas": {"lora_up.weight": drawn(OUT, RANK), "lora_down.weight": drawn(RANK, IN), "alpha": drawn(2)},
    "not a number": {"lora_up.weight": drawn(OUT, RANK) * math.nan, "lora_down.weight": drawn(RANK, IN)},
    "no lengths for all": {
        "lora_up.weight": drawn(OUT, RANK), "lora_down.weight": drawn(RANK, IN), "dora_scale": drawn(5, 1)
    },
    "a shape to shrink to": {
        "lora_up.weight": drawn(OUT, RANK), "lora_down.weight": drawn(RANK, IN), "reshape_weight": torch.tensor([OUT, 2])
    },
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit_is_told_in_words_and_leaves_no_trace(wrong, tmp_path):
    save_file(under("line", WRONG[wrong]), tmp_path / "bad.safetensors")
    save_file(under("kernel", {"diff": drawn(OUT, IN, 3, 3)}), tmp_path / "good.safetensors")
    net = Net()
    patches = Patcher(net, ("unet.",))
    good, bad = (read_lora(tmp_path / f"{name}.safetensors") for name in ("good", "bad"))
    expected = r"bad\.safetensors is not a LoRA for this model: its change of unet\.line"
    with pytest.raises(CheckpointUnknown, match=expected):
        patches.put_on([Strong(good, 1.0), Strong(bad, 1.0)])
    assert all(torch.equal(net.get_submodule(name).weight, had) for name, had in WEIGHTS.items())
