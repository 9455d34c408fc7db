"""What our sampling loop costs: its time over that of the bare U-Net calls inside it.

Run `python -m tests.bench.sampler_overhead`. Loop and bare calls take turns in one process and on one
thread, and processor time is counted, so that other programs weigh little; the ratio of the medians is the figure.
The starter model is the hardest case: the smaller the U-Net, the larger the loop's share.
"""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.models.network import UnetNetwork
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import for_sampler
from nodes.diffusion.values import Cond, Latent

STARTER = Path(__file__).resolve().parents[2] / "nodes" / "starter" / "weft-starter-v0"
STEPS = 20
TURNS = 9
TOKENS, WIDTH = 77, 192  # of a prompt in the starter model's text encoder
SIDE = 16  # of the latents of a picture of 128


def main() -> None:
    """Print a line for each sampler and batch."""
    torch.set_num_threads(1)
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    network = load_network(STARTER, placement)
    print(
        f"{'sampler':>16} {'batch':>6} {'loop ms':>9} {'bare ms':>9} {'ratio':>7}   {STEPS} steps, medians of {TURNS}"
    )
    for sampler in ("euler", "dpmpp_2m", "euler_ancestral"):
        for batch in (1, 4):
            loop, bare = compared(network, sampler, batch)
            print(f"{sampler:>16} {batch:>6} {loop * 1e3:9.1f} {bare * 1e3:9.1f} {loop / bare:7.3f}")


def compared(network: UnetNetwork, sampler: str, batch: int) -> tuple[float, float]:
    """Median processor seconds of a sampling run, and of as many bare U-Net calls of the same shapes."""
    prompt, nothing = torch.randn(1, TOKENS, WIDTH), torch.randn(1, TOKENS, WIDTH)
    guided = Guided(network, (Cond(prompt),), (Cond(nothing),), 3.0)
    sigmas = for_sampler("simple", sampler, network.levels, STEPS)
    latent = Latent(torch.zeros(batch, 4, SIDE, SIDE))
    latents, timestep = torch.randn(2 * batch, 4, SIDE, SIDE), torch.full((2 * batch,), 500.0)
    context = torch.randn(2 * batch, TOKENS, WIDTH)

    def loop() -> None:
        for _ in sample(guided, latent, Run(sampler, sigmas, seed=1)):
            pass

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(STEPS):
            network.module(latents, timestep, encoder_hidden_states=context, return_dict=False)

    loop()
    bare()
    turns = [(seconds(loop), seconds(bare)) for _ in range(TURNS)]
    return median(turn[0] for turn in turns), median(turn[1] for turn in turns)


def seconds(work: Callable[[], None]) -> float:
    """Processor time that it took."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
