"""What our sampling costs beside the network: processor time, allocations a step, memory at the most.

Run `python -m tests.bench.sampler_overhead [--guidance | --memory] [SAMPLER...]`; without names, every sampler that asks the
network once a step. With `--memory` every sampler: calls and allocations a step, memory. With `--guidance` a line for each
guidance rule instead: euler with the starter model, what a step costs over one without the rule, and how often the network
is asked a step.

Time: processor time on one thread, so that other programs weigh little. The U-Net's calls are timed by themselves. The loop
is run with a network of the same shapes that only reads through more memory than the caches hold, as a U-Net does: it costs
the loop as much, and what is not its own can be taken off exactly. The middle one of some runs is the figure. Two sizes:
- Stable Diffusion 1's (860M weights, random) at 512 x 512, which is what a person would run.
- The starter model's (9.9M weights) at 128 x 128, the hardest case: the smaller the U-Net, the larger the loop's share.
Memory: tensors of at least the latents' size that operations make during a run whose network costs none but its answer: how
many a step, and how many are alive at once, in latents (those that go in and the answer included). Arrays of numpy, of which
a Brownian path is made on a processor, are not seen.
"""

import argparse
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from nodes.diffusion.denoiser import LatentFormat
from nodes.diffusion.guidance import (
    Guided,
    after,
    again,
    attention,
    before,
    caching,
    inside,
    joining,
    merging,
)
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.noise_levels import NoiseLevels, from_betas, scaled_linear_betas
from nodes.diffusion.sampling import SAMPLERS, Run, sample
from nodes.diffusion.schedules import for_sampler
from nodes.diffusion.values import Cond, Latent, Rule
from tests.diffusion.sampling.toy import Toy

STARTER = Path(__file__).resolve().parents[2] / "nodes" / "starter" / "weft-starter-v0"
STEPS = 20
TURNS = 5
TOKENS = 77  # of a prompt
BATCHES = 1, 4
BEYOND_CACHES = 2**24  # numbers that a network reads which only takes the caches away
MEASURED_SIDE = 128  # of the latents whose allocations are counted


@dataclass(frozen=True, slots=True)
class Size:
    """A network to measure beside, and the side of the latents it gets.

    Attributes:
        call: processor seconds of a call of the real one, for one image; 0 where `network` is the real one.
    """

    name: str
    network: LoadedNetwork
    side: int
    width: int  # of its text
    call: float = 0.0


def main() -> None:
    """Print a line for each sampler, or for each guidance rule."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("--guidance", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("names", nargs="*")
    said = parser.parse_args()
    if said.guidance:
        guidance(Size("starter", starter(), 16, 192))
        return
    if said.memory:
        for name in said.names or SAMPLERS:
            used = memory(name)
            print(f"{name:>30} {calls(name):5.2f} {used.allocations:6.1f} {used.most:6.1f}", flush=True)
        return
    sizes = large_size(), starter_size()
    for size in sizes:
        print(f"a call of the {size.name}: {size.call * 1e3:.1f} ms")
    for name in said.names or [name for name in SAMPLERS if calls(name) == 1.0]:
        times = [compared(size, name, batch) for size in sizes for batch in BATCHES]
        used = memory(name)
        told = " ".join(f"{time.own:7.2f} {time.ratio:7.4f}" for time in times)
        print(f"{name:>30} {told} {used.allocations:6.1f} {used.most:6.1f}", flush=True)


def guidance(size: Size) -> None:
    """Print a line for each guidance rule; each takes turns with runs without one."""
    nothing = (Cond(torch.randn(1, TOKENS, size.width)),)
    rules: Sequence[Rule] = (
        after.OptimisedScale(), after.KeptNorm(), after.Mahiro(), after.EpsilonScaling(), after.TemporalScoreRescaling(),
        before.ProjectedGuidance(), before.FrequencyScaling(), before.TangentialDamping(),
        again.PerturbedAttention(), again.SelfAttentionGuidance(),
        inside.FreeU(), inside.Downscale(),
        joining.RescaleCfg(), joining.RenormCfg(), joining.PerpNeg(nothing), joining.DynamicThresholding(),
        joining.LimitedInterval(0.2, 0.8), attention.HyperTile(), attention.NormalisedAttention(nothing),
        merging.TokenMerging(), caching.LazyCache(), caching.EasyCache(),
    )  # fmt: skip
    for rule in rules:
        pairs = [
            (compared(size, "euler", 1, turns=1), compared(size, "euler", 1, rule, turns=1))
            for _ in range(TURNS)
        ]
        ratio = median(with_it.whole / plain.whole for plain, with_it in pairs)
        own = median(with_it.own - plain.own for plain, with_it in pairs)
        asked = pairs[0][1].calls / pairs[0][0].calls
        print(f"{type(rule).__name__:>30} {ratio:7.3f} {own:7.2f} {asked:6.2f}", flush=True)


def starter() -> LoadedNetwork:
    """The starter model."""
    return load_network(STARTER, Placement(torch.device("cpu"), torch.float32, torch.float32))


def starter_size() -> Size:
    """The starter model's size, for pictures of 128."""
    return passing("starter model", starter(), 16, 192)


def large_size() -> Size:
    """Stable Diffusion 1's size, for pictures of 512."""
    with torch.device("meta"):
        module = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    module = module.to_empty(device="cpu").eval()
    with torch.inference_mode():
        for tensor in module.parameters():
            tensor.normal_(0.0, 0.02)
    return passing("U-Net of Stable Diffusion 1's size", replace(starter(), module=module), 64, 768)


def passing(name: str, network: LoadedNetwork, side: int, width: int) -> Size:
    """A size whose calls were timed; what stands in for its network is asked instead."""
    latents, context = torch.randn(1, 4, side, side), torch.randn(1, TOKENS, width)
    module, timestep = network.module, torch.tensor([500.0])
    with torch.inference_mode():
        times = [seconds(lambda: module(latents, timestep, encoder_hidden_states=context)) for _ in range(4)]
    return Size(name, replace(network, module=Passing(module.config)), side, width, min(times))


class Timed:
    """Adds up the processor time of a U-Net's calls from now on."""

    def __init__(self, module: nn.Module) -> None:
        self.seconds, self.count = 0.0, 0
        self._asked = type(module).forward.__get__(module)
        module.forward = self._timed  # on the object: what changes blocks finds them where they were

    def _timed(self, *args: Any, **kwargs: Any) -> Any:
        start = time.process_time()
        answer = self._asked(*args, **kwargs)
        self.seconds += time.process_time() - start
        self.count += 1
        return answer


class Passing(nn.Module):
    """In place of a U-Net: takes what lies in the caches away, and answers with what it was given."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.weights = torch.zeros(BEYOND_CACHES)

    def forward(self, latents: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor]:
        return (latents + self.weights.sum(),)


@dataclass
class Counting:
    """A guider that answers half of what it sees, and counts."""

    network: Toy = field(default_factory=lambda: Toy(latent_format=LatentFormat(scale=1.0)))
    count: int = 0
    unread: tuple[str, ...] = ()

    @property
    def levels(self) -> NoiseLevels:
        return self.network.levels

    def start(
        self,
        seed: int,
        shape: Sequence[int],
        latents: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> None:
        """It remembers nothing of a run."""

    def __call__(self, latents: Tensor, sigma: Tensor) -> Tensor:
        self.count += 1
        return latents * 0.5

    def both(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        denoised = self(latents, sigma)
        return denoised, denoised


def calls(name: str) -> float:
    """How often a sampler asks its denoiser, per step of a schedule."""
    guider = Counting()
    sigmas = for_sampler("simple", name, guider.levels, STEPS)
    for _ in sample(guider, Latent(torch.zeros(1, 4, 2, 2)), Run(name, sigmas, seed=1)):
        pass
    return guider.count / (len(sigmas) - 1)


@dataclass(frozen=True, slots=True)
class Times:
    """Of one run: the loop's own and the whole processor time of a step in ms, the run's over its calls', calls a step."""

    own: float
    whole: float
    ratio: float
    calls: float


def compared(size: Size, sampler: str, batch: int, *rules: Rule, turns: int = TURNS) -> Times:
    """The middle one of some runs with guidance, in inference mode as the worker runs nodes."""
    module = Timed(size.network.module)
    prompt, nothing = torch.randn(1, TOKENS, size.width), torch.randn(1, TOKENS, size.width)
    guided = Guided(size.network, (Cond(prompt),), (Cond(nothing),), 3.0, None, rules)
    sigmas = for_sampler("simple", sampler, size.network.levels, STEPS)
    latent = Latent(torch.zeros(batch, 4, size.side, size.side))

    @torch.inference_mode()
    def loop() -> None:
        for _ in sample(guided, latent, Run(sampler, sigmas, seed=1)):
            pass

    loop()
    made: list[Times] = []
    for _ in range(turns):
        module.seconds, module.count = 0.0, 0
        whole = seconds(loop)
        own = whole - module.seconds
        asked = module.count * size.call or module.seconds
        made.append(Times(own / STEPS * 1e3, whole / STEPS * 1e3, 1.0 + own / asked, module.count / STEPS))
    return sorted(made, key=lambda times: times.ratio)[len(made) // 2]


@dataclass(frozen=True)
class Memory:
    """What a run allocates of the latents' size or more: how many a step, and alive at once."""

    allocations: float
    most: float


def memory(sampler: str) -> Memory:
    """The memory of a run, on the processor."""
    guider = Counting(Toy(levels=from_betas(scaled_linear_betas()), latent_format=LatentFormat(scale=1.0)))
    sigmas = for_sampler("simple", sampler, guider.levels, STEPS)
    latent = Latent(torch.ones(1, 4, MEASURED_SIDE, MEASURED_SIDE))
    watch = Watch(latent.samples.nbytes)
    with watch:
        for _ in sample(guider, latent, Run(sampler, sigmas, seed=1)):
            pass
    return Memory(watch.made / (len(sigmas) - 1), 1 + watch.most / latent.samples.nbytes)


class Watch(TorchDispatchMode):
    """Counts the storages of a size or more that operations make, and the bytes of those in use."""

    def __init__(self, least: int) -> None:
        super().__init__()
        self.made = self.alive = self.most = 0
        self._least = least
        self._users: dict[int, int] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # the shape that PyTorch asks for
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, list | tuple) else (result,):
            if isinstance(tensor, Tensor) and tensor.untyped_storage().nbytes() >= self._least:
                self._see(tensor)
        return result

    def _see(self, tensor: Tensor) -> None:
        place, size = tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()
        if place not in self._users:
            self._users[place] = 0
            self.made += 1
            self.alive += size
            self.most = max(self.most, self.alive)
        self._users[place] += 1
        weakref.finalize(tensor, self._gone, place, size)

    def _gone(self, place: int, size: int) -> None:
        self._users[place] -= 1
        if not self._users[place]:
            del self._users[place]
            self.alive -= size


def seconds(work: Callable[[], None]) -> float:
    """Processor time that it took."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
