"""LoRAs trained: small factors beside every weight of a network, taught to tell clean latents from noisy ones.

The weights themselves stay as they are: while a training goes on each is read as itself and what its factors add
(`lora_kinds`), and afterwards it is the very tensor that it was. What is learned is a file's content, under a file's names.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import isfinite
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from nodes.diffusion.conditions import inputs_of
from nodes.diffusion.denoiser import denoised_from, network_input
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.lora_kinds import ENDINGS, added
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.models.stacked import asked
from nodes.diffusion.regions import rectangle
from nodes.diffusion.values import Cond, Latents

LOSSES: Mapping[str, Callable[..., Tensor]] = {
    "MSE": F.mse_loss,
    "L1": F.l1_loss,
    "Huber": F.huber_loss,
    "SmoothL1": F.smooth_l1_loss,
}
OPTIMISERS: Mapping[str, Callable[..., torch.optim.Optimizer]] = {
    "AdamW": torch.optim.AdamW,
    "Adam": torch.optim.Adam,
    "SGD": torch.optim.SGD,
    "RMSprop": torch.optim.RMSprop,
}
THEIRS, OURS = "diffusion_model.", "transformer."  # before names of the original layout, and of diffusers'
NAMES = {
    "up": ".lora_up.weight",
    "down": ".lora_down.weight",
    "whole": ".diff",
    "bias": ".diff_b",
    "alpha": ".alpha",
} | {
    part: end
    for end, part in ENDINGS.items()
    if part.startswith(("one_", "two_", "kron_")) or part == "blocks"
}
RANKED = frozenset({"down", "one_b", "kron_two_b"})  # of these alpha is a share
TRAINED = (torch.float32, torch.float16, torch.bfloat16)
STEP_SEEDS = 1000  # between the seeds of two steps' noise


@dataclass(frozen=True, slots=True)
class Plan:
    """How a LoRA is trained.

    Attributes:
        kind: one of `KINDS`. rank: of the factors.
        batch: items a step. gathered: steps whose slopes are added before the factors move.
        steps: moves of the factors. rate: of learning.
        kept, computed: types of the factors, and of what the network computes.
        frugal: what a block computed is computed again for its slope instead of being kept.
        buckets: items of one size are drawn together, larger sets more often.
    """

    kind: str = "LoRA"
    rank: int = 8
    batch: int = 1
    gathered: int = 1
    steps: int = 16
    rate: float = 5e-4
    optimiser: str = "AdamW"
    loss: str = "MSE"
    seed: int = 0
    kept: torch.dtype = torch.bfloat16
    computed: torch.dtype = torch.bfloat16
    frugal: bool = True
    buckets: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What is learned from: clean latents at the model's scale, Float[1 channel height width], and what says them."""

    latents: Latents
    cond: Cond


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One step done: its number from 1 on, of how many, and its loss."""

    number: int
    total: int
    loss: float


class Factors(nn.Module):
    """What is learned of one tensor of a network; reads as the tensor with the change added."""

    def __init__(self, parts: Mapping[str, Tensor], alpha: bool) -> None:
        super().__init__()
        self.parts = nn.ParameterDict({name: nn.Parameter(part) for name, part in parts.items()})
        self.alpha = alpha

    def forward(self, weight: Tensor) -> Tensor:
        """The changed tensor."""
        parts = {name: cast("Tensor", part).float() for name, part in self.parts.items()}
        if "bias" in parts:
            return (weight.float() + parts["bias"]).to(weight.dtype)
        if self.alpha:
            parts["alpha"] = torch.ones(())
        change = added(parts, weight.float())
        return weight if change is None else (weight.float() + change).to(weight.dtype)


def trained(
    network: LoadedNetwork, samples: Sequence[Sample], plan: Plan, start: Mapping[str, Tensor] | None
) -> Iterator[Step | dict[str, Tensor]]:
    """Train factors for a network; steps first, in the end the tensors of the file.

    Args:
        start: tensors of a file to go on from; None: from nothing.

    Raises:
        DiffusionError: no tensor of `start` fits, or the loss is no number any more.
    """
    chance = torch.Generator().manual_seed(plan.seed)
    with torch.enable_grad(), _beside(network, plan, start or {}, chance) as factors:
        learned = [part for _, one in factors for part in one.parts.values()]
        optimiser = OPTIMISERS[plan.optimiser](learned, lr=plan.rate)
        total = plan.steps * plan.gathered
        for index in range(total):
            loss = 0.0
            picked = _picked(samples, plan, chance)
            shares = torch.rand(len(picked), generator=chance)
            noise = torch.Generator().manual_seed((plan.seed + STEP_SEEDS * index) % 2**64)
            for sample, share in zip(picked, shares, strict=True):
                told = _loss(network, sample, float(share), noise, plan) / len(picked)
                cast("Any", told / plan.gathered).backward()
                loss += float(told.detach())
            if not isfinite(loss):
                raise DiffusionError(
                    f"The loss of step {index + 1} is no number any more.",
                    "Choose a lower learning_rate, or fp32 as training_dtype.",
                )
            if (index + 1) % plan.gathered == 0:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            yield Step(index + 1, total, loss)
        made = {
            f"{name}{NAMES[part]}": cast("Tensor", tensor).detach().to("cpu", copy=True).contiguous()
            for name, one in factors
            for part, tensor in one.parts.items()
        }
        alphas = {f"{name}{NAMES['alpha']}": torch.ones(()) for name, one in factors if one.alpha}
    yield made | alphas


def _loss(network: LoadedNetwork, sample: Sample, share: float, noise: torch.Generator, plan: Plan) -> Tensor:
    """How far the network's guess of clean latents is from them, at the noise level of a share of a run."""
    clean = sample.latents.to(network.device, torch.float32)
    level = min(max(network.levels.at_percent(share), network.levels.minimum), network.levels.maximum)
    sigma = torch.tensor(level, device=clean.device)
    drawn = torch.randn(clean.shape, generator=noise).to(clean.device)
    noisy = network.parametrisation.mixing.noised(clean, drawn, sigma)
    place = rectangle(None, *clean.shape[-2:])
    inputs = inputs_of(sample.cond, 0, noisy, place, network.latent_format)
    timestep = network.levels.timestep(sigma[None]).to(clean.device)
    scaled = network_input(network.parametrisation, noisy, sigma).to(network.dtype)
    if network.latent_format.joined and inputs.joined is not None:
        scaled = torch.cat((scaled, inputs.joined.to(scaled)), 1)
    context = sample.cond.context.to(network.device, network.dtype)
    half = plan.computed is not torch.float32
    with torch.autocast(clean.device.type, plan.computed, enabled=half):
        answer = asked(network.family, network.module, scaled, timestep.expand(1), context, inputs=inputs)
    guess = denoised_from(network.parametrisation, noisy, sigma, answer.float(), timestep)
    return LOSSES[plan.loss](guess, clean)


def _picked(samples: Sequence[Sample], plan: Plan, chance: torch.Generator) -> Sequence[Sample]:
    """The items of a step: all different, as far as there are as many."""
    pool = list(samples)
    if plan.buckets:
        sets: dict[tuple[int, ...], list[Sample]] = {}
        for sample in samples:
            sets.setdefault(tuple(sample.latents.shape), []).append(sample)
        sizes = torch.tensor([float(len(entry)) for entry in sets.values()])
        pool = list(sets.values())[int(torch.multinomial(sizes, 1, generator=chance))]
    order = [int(number) for number in torch.randperm(len(pool), generator=chance)]
    return [pool[number] for number in order[: plan.batch]]


@contextmanager
def _beside(
    network: LoadedNetwork, plan: Plan, start: Mapping[str, Tensor], chance: torch.Generator
) -> Generator[Sequence[tuple[str, Factors]]]:
    """Factors beside each weight and each bias of a network while the block runs, with the names of modules in files."""
    names = _file_names(network)
    made: list[tuple[str, Factors]] = []
    fitting = 0
    with ExitStack() as stack:
        _save_memory(network.module, plan, stack)
        for path, owner, end, tensor in _tensors(network.module):
            called = names[f"{path}.{end}"].removesuffix(f".{end}")
            parts = fresh(tensor, end, plan, chance)
            old = {part: start[key] for part in parts if (key := called + NAMES[part]) in start}
            if parts and all(part in old and old[part].shape == parts[part].shape for part in parts):
                parts, fitting = old, fitting + (tensor.ndim > 1)
            if not parts:
                continue
            placed = {name: part.to(tensor.device, plan.kept) for name, part in parts.items()}
            factors = Factors(placed, alpha=not RANKED.isdisjoint(parts))
            parametrize.register_parametrization(owner, end, factors, unsafe=True)
            stack.callback(parametrize.remove_parametrizations, owner, end, leave_parametrized=False)
            made.append((called, factors))
        if start and not fitting:
            raise DiffusionError(
                "existing_lora holds nothing that this training could go on from.",
                "Choose a file that was trained on this model, with the same algorithm and rank.",
            )
        yield made


def fresh(tensor: Tensor, end: str, plan: Plan, chance: torch.Generator) -> dict[str, Tensor]:
    """Factors that change nothing yet; none where the kind has none for such a tensor.

    Sources: as `lora_kinds`; how each begins: Hu et al. 2021, section 4.1, and Yeh et al. 2023, section 3.

    Args:
        end: "weight" or "bias".
    """
    if end == "bias" or tensor.ndim < 2:
        return {"bias" if end == "bias" else "whole": torch.zeros(tensor.shape)}
    rows, columns = tensor.shape[0], tensor[0].numel()
    rank = min(plan.rank, rows, columns)

    def drawn(*shape: int, spread: float) -> Tensor:
        return torch.randn(shape, generator=chance) * spread

    match plan.kind:
        case "LoHa":
            return {
                "one_a": drawn(rows, rank, spread=0.1),
                "one_b": drawn(rank, columns, spread=1.0),
                "two_a": torch.zeros(rows, rank),
                "two_b": drawn(rank, columns, spread=0.1),
            }
        case "LoKr":
            tall, wide = _divisor(rows, rank), _divisor(columns, rank)
            inner = min(rank, rows // tall, columns // wide)
            return {
                "kron_one": drawn(tall, wide, spread=1.0),
                "kron_two_a": drawn(rows // tall, inner, spread=inner**-0.5),
                "kron_two_b": torch.zeros(inner, columns // wide),
            }
        case "OFT":
            size = _divisor(rows, max(rank, 2))
            return {"blocks": torch.zeros(rows // size, size, size)} if size > 1 else {}
        case _:
            up, down = torch.zeros(rows, rank), drawn(rank, columns, spread=columns**-0.5)
            if tensor.ndim == 2:
                return {"up": up, "down": down}
            ones = [1] * (tensor.ndim - 2)
            return {"up": up.reshape(rows, rank, *ones), "down": down.reshape(rank, *tensor.shape[1:])}


def _divisor(number: int, most: int) -> int:
    """The largest divisor of a number up to a limit."""
    return next(size for size in range(min(most, number), 0, -1) if number % size == 0)


def _save_memory(module: nn.Module, plan: Plan, stack: ExitStack) -> None:
    """Where blocks can do so, have each compute its inside again for its slope."""
    if plan.frugal and getattr(module, "_supports_gradient_checkpointing", False):
        cast("Any", module).enable_gradient_checkpointing()
        stack.callback(cast("Any", module).disable_gradient_checkpointing)


def _tensors(module: nn.Module) -> Sequence[tuple[str, nn.Module, str, Tensor]]:
    """Weights and biases that can be trained: path and module, which of both, and the tensor."""
    found: list[tuple[str, nn.Module, str, Tensor]] = []
    for path, owner in cast("Iterable[tuple[str, nn.Module]]", module.named_modules()):
        for name, tensor in owner.named_parameters(recurse=False):
            if name in ("weight", "bias") and tensor.dtype in TRAINED:
                found.append((path, owner, name, tensor))
    return found


def _file_names(network: LoadedNetwork) -> dict[str, str]:
    """What files call each tensor of a network: as the original layout does where it has the same tensor there."""
    names = {name: f"{OURS}{name}" for name, _ in network.module.named_parameters(remove_duplicate=False)}
    for place in network.published:
        if place.rows is None and not place.swapped:
            names[place.ours] = f"{THEIRS}{place.theirs}"
    return names
