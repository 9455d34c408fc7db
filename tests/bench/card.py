"""What our sampling loop costs on a graphics card: its time over that of the bare U-Net calls inside it.

Run `python -m tests.bench.card` on a machine with a CUDA device. A U-Net of Stable Diffusion 1's size with random weights,
and the starter model's; half precision, 20 steps, guidance on. Loop and bare calls take turns; the card is waited for
at the end of each, not between steps.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from diffusers import UNet2DConditionModel

from nodes import starter
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.load import best_placement, load_network
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import for_sampler
from nodes.diffusion.values import Cond, Latent

STEPS = 20
TURNS = 7
TOKENS = 77


def main() -> None:
    """Print a line for each network, sampler and batch."""
    if not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device on this machine.")
    small = load_network(Path(starter.path()), best_placement())
    with torch.device(small.device):
        module = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
    large = replace(small, module=module.to(small.dtype).eval())
    print(torch.cuda.get_device_name(), torch.__version__, f"{STEPS} steps, medians of {TURNS}")
    for network, name, side, width in ((large, "SD1 size", 64, 768), (small, "starter", 16, 192)):
        for sampler in ("euler", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde"):
            for batch in (1, 4):
                loop, bare = compared(network, sampler, (batch, side, width))
                print(
                    f"{name:>9} {sampler:>16} {batch} loop {loop * 1e3:7.1f} ms, bare {bare * 1e3:7.1f} ms, "
                    f"ratio {loop / bare:.3f}, {STEPS / loop:.1f} steps a second",
                    flush=True,
                )


def compared(network: LoadedNetwork, sampler: str, shape: tuple[int, int, int]) -> tuple[float, float]:
    """Median seconds of a sampling run, and of as many bare U-Net calls; `shape`: batch, side of latents, width of text."""
    batch, side, width = shape
    prompt, nothing = torch.randn(1, TOKENS, width), torch.randn(1, TOKENS, width)
    sigmas = for_sampler("simple", sampler, network.levels, STEPS)
    latent = Latent(torch.zeros(batch, 4, side, side))
    there = {"device": network.device, "dtype": network.dtype}
    latents, context = (
        torch.randn(2 * batch, 4, side, side, **there),
        torch.randn(2 * batch, TOKENS, width, **there),
    )
    timestep = torch.full((2 * batch,), 500.0, device=network.device)

    @torch.inference_mode()
    def loop() -> None:
        guided = Guided(network, (Cond(prompt),), (Cond(nothing),), 7.0)
        *_, last = sample(guided, latent, Run(sampler, sigmas, seed=1))
        last.latents.cpu()

    @torch.inference_mode()
    def bare() -> None:
        for _ in range(STEPS):
            network.module(latents, timestep, encoder_hidden_states=context, return_dict=False)

    loop()
    bare()
    turns = [(seconds(loop), seconds(bare)) for _ in range(TURNS)]
    return median(turn[0] for turn in turns), median(turn[1] for turn in turns)


def seconds(work: Callable[[], None]) -> float:
    """Time until the card is done with it."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
