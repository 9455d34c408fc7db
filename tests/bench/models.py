"""What models cost: loads against a bare read, a LoRA on a network of SDXL's size, peaks against the plan, a thousand loads.

Run as `python -m tests.bench.models [--small]`. Weights are random, on the processor, one thread; SDXL's network is in half
precision (5.1 GB of memory and of disk, in the temporary folder), with `--small` a fourth as wide.
"""

import argparse
import gc
import os
import statistics
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn

from nodes.diffusion.holding import network_build
from nodes.diffusion.memory.budget import Budget
from nodes.diffusion.memory.foresight import Foresight
from nodes.diffusion.memory.meter import Meter
from nodes.diffusion.models.build import size_of, unfilled
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import LoraPatch, Model, ModelSettings, Vae

SINGLE = Placement(torch.device("cpu"), torch.float32, torch.float32)
HALF = replace(SINGLE, dtype=torch.float16)
PLENTY = 10**11
LOADS = 1000
TURNS = 5
SDXL = {
    "block_out_channels": (320, 640, 1280),
    "layers_per_block": 2,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SMALL = {
    **SDXL,
    "block_out_channels": (160, 320, 640),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
}
SD1 = {"block_out_channels": (160, 320, 640, 640), "cross_attention_dim": 768, "attention_head_dim": 8}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}


@contextmanager
def timed(found: list[float]) -> Iterator[None]:
    """Seconds of what happens within."""
    started = time.perf_counter()
    yield
    found.append(time.perf_counter() - started)


def made(make: Callable[[], nn.Module], path: Path, dtype: torch.dtype) -> Path:
    """A file of a network with random weights."""
    shapes = {name: tensor.shape for name, tensor in unfilled(make, path).state_dict().items()}
    chance = torch.Generator().manual_seed(0)
    tensors = {
        name: (torch.randn(shape, generator=chance) * 0.02).to(dtype) for name, shape in shapes.items()
    }
    save_file(tensors, path)
    return path


def bare(path: Path, count: int) -> None:
    """So many of the file's bytes, once, into one buffer."""
    buffer = bytearray(16 << 20)
    with path.open("rb", buffering=0) as file:
        while count > 0 and (read := file.readinto(buffer)):
            count -= read


def cold(path: Path) -> None:
    """The system forgets what it has read of a file."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)


def touched(module: nn.Module) -> float:
    """Every page of the weights, once."""
    return sum(float(weight.view(-1).view(torch.uint8)[::4096].sum()) for weight in module.parameters())


def loads(path: Path) -> None:
    """Our load with every weight touched, against a bare read of as many bytes, in turns."""
    count = size_of(load_network(path, HALF).module)  # of a whole checkpoint, the network's
    for name, before in (("from the disk", cold), ("from the system's memory", lambda _path: None)):
        read, load = list[float](), list[float]()
        for _ in range(TURNS):
            before(path)
            with timed(read):
                bare(path, count)
            before(path)
            with timed(load):
                touched(load_network(path, HALF).module)
            gc.collect()
        ratio = statistics.median(one / other for one, other in zip(load, read, strict=True))
        say(
            f"load {name}",
            f"{statistics.median(load):.2f} s, bare read {statistics.median(read):.2f} s, ratio {ratio:.2f}",
        )


def swaps(path: Path, folder: Path) -> None:
    """A LoRA of rank 16 on every linear layer of attention, put on and taken off; and on few layers."""
    hashes, pool = ContentHashes(), Pool(HALF, PLENTY)
    model = Model(hashes.reference(path))
    with torch.inference_mode(), pool.session() as models:
        module = models.network(model).module
    for name, wanted in (
        ("all attention", "attn"),
        ("one block", "mid_block.attentions.0.transformer_blocks.0.attn1"),
    ):
        tensors: dict[str, torch.Tensor] = {}
        for full, part in module.named_modules():
            if isinstance(part, nn.Linear) and wanted in full:
                key = "lora_unet_" + full.replace(".", "_")
                tensors[f"{key}.lora_up.weight"] = torch.randn(part.out_features, 16).half() * 0.01
                tensors[f"{key}.lora_down.weight"] = torch.randn(16, part.in_features).half() * 0.01
        file = folder / f"{len(tensors)}.safetensors"
        save_file(tensors, file)
        patched = model.patched(LoraPatch(hashes.reference(file), 1.0))
        on, off = list[float](), list[float]()
        for _ in range(3):
            for recipe, seconds in ((patched, on), (model, off)):
                with torch.inference_mode(), pool.session() as models, timed(seconds):
                    models.network(recipe)
        say(
            f"LoRA on {name} ({len(tensors) // 2} layers)",
            f"put on {statistics.median(on):.2f} s, taken off {statistics.median(off) * 1000:.1f} ms",
        )


def peaks(folder: Path) -> None:
    """The plan's peak against that which is measured, whole and in blocks."""
    unet = made(lambda: UNet2DConditionModel(**SD1), folder / "sd1.safetensors", torch.float32)
    vae = made(lambda: AutoencoderKL(**VAE), folder / "vae.safetensors", torch.float32)
    hashes = ContentHashes()
    for share in (1.5, 1 / 3):
        weights = unet.stat().st_size
        limit = round(weights * share)
        budget = Budget(PLENTY, limit)
        need = Foresight(SINGLE, budget, limit).sampling(unet, (256, 256))
        pool = Pool(SINGLE, budget, Meter(limit))
        with torch.inference_mode(), pool.session(room=need.computing) as models:
            network = models.network(Model(hashes.reference(unet)))
            network(torch.zeros(1, 4, 32, 32), torch.tensor([500.0]), torch.zeros(1, 77, 768))
        assert pool.house.meter is not None
        peak = pool.house.meter.peak
        say(
            f"SD1 at half its width, 256 x 256, in {limit / 1e9:.2f} GB ({need.words})",
            compared(need.peak, peak),
        )
        pool.empty()
    for side in (128, 192):
        for encode in (False, True):
            need = Foresight(SINGLE, Budget(PLENTY, PLENTY), PLENTY).decoding(vae, (side, 128), encode=encode)
            pool = Pool(SINGLE, Budget(PLENTY, PLENTY), Meter())
            with torch.inference_mode(), pool.session() as models:
                coder = models.vae(Vae(hashes.reference(vae)))
                if encode:
                    coder.encode(torch.zeros(1, side, 128, 3))
                else:
                    coder.decode(torch.zeros(1, 4, side // 8, 16))
            assert pool.house.meter is not None
            what = f"VAE {'encode' if encode else 'decode'} {side} x 128"
            say(what, compared(need.peak, pool.house.meter.peak))


def compared(planned: int, measured: int) -> str:
    """Two peaks."""
    return f"planned {planned / 1e6:.0f} MB, measured {measured / 1e6:.0f} MB, off by {planned / measured - 1:+.1%}"


def many(folder: Path) -> None:
    """A thousand loads of a tiny network: what is left of them."""
    settings = {"block_out_channels": (32,), "layers_per_block": 1, "norm_num_groups": 8}
    settings |= {"down_block_types": ("DownBlock2D",), "up_block_types": ("UpBlock2D",)}
    path = made(
        lambda: UNet2DConditionModel(**settings, cross_attention_dim=64),
        folder / "tiny.safetensors",
        torch.float32,
    )
    build, modules = network_build(ModelSettings()), weakref.WeakSet[nn.Module]()
    tensors = weakref.WeakSet[torch.Tensor]()
    pool, reference = Pool(SINGLE, 0), ContentHashes().reference(path)
    del build
    gc.freeze()
    for _ in range(LOADS):
        with pool.session() as models:
            module = models.network(Model(reference)).module
            modules.add(module)
            tensors.update(module.parameters())
        del module
    gc.collect()
    say(
        f"{LOADS} loads",
        f"{len(modules)} modules and {len(tensors)} weights are left, {pool.size} bytes are held",
    )


def say(what: str, found: str) -> None:
    """One line."""
    print(f"{what}: {found}", flush=True)


def main() -> None:
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--checkpoint", type=Path, help="a file of one's own, for `--only loads`")
    parser.add_argument("--only", choices=("loads", "swaps", "peaks", "many"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder, only = Path(name), options.only
        if only in (None, "peaks"):
            peaks(folder)
        if only in (None, "many"):
            many(folder)
        if only in (None, "loads", "swaps"):
            settings = SMALL if options.small else SDXL
            path = options.checkpoint or made(
                lambda: UNet2DConditionModel(**settings), folder / "sdxl.safetensors", torch.float16
            )
            say("file", f"{path.stat().st_size / 1e9:.2f} GB")
            if only != "swaps":
                loads(path)
            if only != "loads":
                swaps(path, folder)


if __name__ == "__main__":
    main()
