"""What our sampling costs beside the network: processor time, allocations a step, memory at the most.

Run `python -m tests.bench.sampler_overhead [SAMPLER...]`; without names, every sampler that asks the network once a step.

Time: the loop and as many bare U-Net calls take turns in one process and on one thread, and processor time is counted, so
that other programs weigh little; the median of the ratios of neighbouring turns is the figure. The starter model is the
hardest case: the smaller the U-Net, the larger the loop's share.
Memory: tensors of at least the latents' size that operations make during a run whose network costs none but its answer: how
many a step, and how many are alive at once, in latents (those that go in and the answer included).
"""

import sys
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from nodes.diffusion.denoiser import LatentFormat
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.noise_levels import NoiseLevels, from_betas, scaled_linear_betas
from nodes.diffusion.sampling import SAMPLERS, Run, sample
from nodes.diffusion.schedules import for_sampler
from nodes.diffusion.values import Cond, Latent
from tests.diffusion.sampling.toy import Toy

STARTER = Path(__file__).resolve().parents[2] / "nodes" / "starter" / "weft-starter-v0"
STEPS = 20
SIDES = 2  # of guidance; on a processor the network is asked for one after the other
TURNS = 9
TOKENS, WIDTH = 77, 192  # of a prompt in the starter model's text encoder
SIDE = 16  # of the latents of a picture of 128
MEASURED_SIDE = 128  # of the latents whose allocations are counted


def main() -> None:
    """Print a line for each sampler."""
    torch.set_num_threads(1)
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    network = load_network(STARTER, placement)
    names = sys.argv[1:] or [name for name in SAMPLERS if calls(name) == 1.0]
    print(
        f"{'sampler':>30} {'loop ms':>9} {'bare ms':>9} {'ratio':>7} {'allocations a step':>20} {'most, in latents':>18}"
    )
    for name in names:
        loop, bare, ratio = compared(network, name)
        times = f"{loop * 1e3:9.1f} {bare * 1e3:9.1f} {ratio:7.3f}"
        used = memory(name)
        print(f"{name:>30} {times} {used.allocations:20.1f} {used.most:18.1f}", flush=True)


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


def compared(network: LoadedNetwork, sampler: str) -> tuple[float, float, float]:
    """Median processor seconds of a run, of as many bare U-Net calls of the same shapes, and the median ratio."""
    prompt, nothing = torch.randn(1, TOKENS, WIDTH), torch.randn(1, TOKENS, WIDTH)
    guided = Guided(network, (Cond(prompt),), (Cond(nothing),), 3.0)
    sigmas = for_sampler("simple", sampler, network.levels, STEPS)
    latent = Latent(torch.zeros(1, 4, SIDE, SIDE))
    latents, timestep = torch.randn(1, 4, SIDE, SIDE), torch.full((1,), 500.0)
    context = torch.randn(1, TOKENS, WIDTH)

    @torch.inference_mode()  # as the worker runs nodes
    def loop() -> None:
        for _ in sample(guided, latent, Run(sampler, sigmas, seed=1)):
            pass

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(round(STEPS * calls_once) * SIDES):
            network.module(latents, timestep, encoder_hidden_states=context, return_dict=False)

    calls_once = calls(sampler)
    loop()
    bare()
    turns = [(seconds(loop), seconds(bare)) for _ in range(TURNS)]
    ratio = median(one / other for one, other in turns)
    return median(turn[0] for turn in turns), median(turn[1] for turn in turns), ratio


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
