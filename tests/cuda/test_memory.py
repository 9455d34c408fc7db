"""The pool's budget is the card's memory; what is let go is free, and a LoRA leaves no trace in the weights."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import best_placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import Clip, LoraPatch, Model, Vae
from tests.cuda.studio import Studio, apart, starter_reference

pytestmark = pytest.mark.cuda

ROUNDED = 1.2  # the allocator rounds every tensor up
SEGMENT = 2 << 20  # bytes that the allocator asks the driver for at least
WIDE = 256  # latents on each side
CLOSE = 0.05  # of a picture in tiles to the whole one


def allocated() -> int:
    gc.collect()
    return torch.cuda.memory_allocated()


def test_what_the_pool_lets_go_is_free_on_the_card(card: torch.device):
    reference, pool = starter_reference(), Pool(best_placement(), 10**10)

    def load() -> None:
        with pool.session() as models:
            models.network(Model(reference))
            models.text(Clip(reference))
            models.vae(Vae(reference))

    load()
    pool.empty()  # what torch takes of a card for itself at the first use, it has now
    before, reserved = allocated(), resting()
    load()
    held = allocated() - before
    assert pool.size <= held < ROUNDED * pool.size
    pool.empty()
    assert (pool.size, allocated()) == (0, before)
    assert torch.cuda.memory_reserved() <= reserved + SEGMENT, "and given back to the driver"


def test_a_budget_keeps_what_was_used_last(card: torch.device):
    reference, plenty = starter_reference(), Pool(best_placement(), 10**10)
    with plenty.session() as models:
        models.network(Model(reference))
    network = plenty.size
    plenty.empty()
    before = allocated()
    pool = Pool(best_placement(), network + 1)
    for _ in range(3):
        with pool.session() as models:
            models.vae(Vae(reference))
        with pool.session() as models:
            models.network(Model(reference))
        assert pool.size == network
        assert network <= allocated() - before < ROUNDED * network


def test_a_lora_that_is_taken_off_leaves_every_byte(best: Studio, tmp_path: Path):
    plain = best.latents()
    with best.pool.session() as models:
        module = models.network(best.model).module
        before = copied(module)
    patched = best.model.patched(LoraPatch(ContentHashes().reference(lora(module, tmp_path)), 0.7))
    changed = best.latents(model=patched)
    assert apart(changed, plain) > 0.01
    with best.pool.session() as models:
        assert models.network(patched).module is module
        assert any(not torch.equal(one, before[name]) for name, one in module.state_dict().items())
        held = allocated()
    with best.pool.session() as models:
        assert models.network(best.model).module is module
        assert all(torch.equal(one, before[name]) for name, one in module.state_dict().items())
    assert allocated() < held, "what was kept to take it off is free again"
    assert torch.equal(best.latents(), plain)
    assert torch.equal(best.latents(model=patched), changed)


def test_a_picture_too_large_for_the_card_is_decoded_in_tiles_and_that_is_said(
    best: Studio,
):
    latents = torch.randn(1, 4, WIDE, WIDE, generator=torch.Generator().manual_seed(1)) * 4
    best.picture(latents[..., :64, :64])
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    whole = best.picture(latents)
    peak = torch.cuda.max_memory_reserved()
    best.context.said.clear()
    with spare((peak - resting()) * 3 // 10):
        tiled = best.picture(latents)
    assert len(best.context.said) == 1 and "decoded in tiles" in best.context.said[0]
    assert not torch.equal(tiled, whole) and float((tiled - whole).abs().mean()) < CLOSE


def test_a_model_too_large_for_the_card_is_said_by_name(card: torch.device):
    model, pool = Model(starter_reference()), Pool(best_placement(), 10**10)
    before = allocated()
    words = "too little memory for the diffusion model of weft-starter-v0"
    with spare(8 << 20), pytest.raises(DiffusionError, match=words), pool.session() as models:
        models.network(model)
    assert allocated() == before
    with pool.session() as models:
        assert models.network(model)


def test_a_model_that_finds_no_room_takes_that_of_one_which_rests(card: torch.device):
    reference, pool = starter_reference(), Pool(best_placement(), 10**10)
    with pool.session() as models:
        models.network(Model(replace(reference, content="another")))
    size = pool.size
    with spare(size * 9 // 10), pool.session() as models:
        models.network(Model(reference))
    assert pool.size == size, "the other one is gone"


def test_a_lora_that_finds_no_room_leaves_no_trace(best: Studio, tmp_path: Path):
    plain = best.latents()
    with best.pool.session() as models:
        file = lora(models.network(best.model).module, tmp_path, "")
    patched = best.model.patched(LoraPatch(ContentHashes().reference(file), 0.7))
    with spare(0), pytest.raises(torch.OutOfMemoryError), best.pool.session() as models:
        models.network(patched)
    assert torch.equal(best.latents(), plain)
    assert apart(best.latents(model=patched), plain) > 0.01


@contextmanager
def spare(size: int) -> Iterator[None]:
    """This process gets no more of the card than it holds now, and so many bytes beyond."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((resting() + size) / total)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def resting() -> int:
    """Bytes of the card that this process holds, without those that it needs no more."""
    gc.collect()
    torch.cuda.empty_cache()
    return torch.cuda.memory_reserved()


def copied(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def lora(module: nn.Module, folder: Path, ending: str = "to_q") -> Path:
    """A file that changes every query of the network, or all of its linear layers."""
    chance, tensors = torch.Generator().manual_seed(3), dict[str, Tensor]()
    for name, part in module.named_modules():
        if name.endswith(ending) and isinstance(part, nn.Linear):
            key = "lora_unet_" + name.replace(".", "_")
            tensors[f"{key}.lora_up.weight"] = torch.randn(part.out_features, 4, generator=chance) * 0.2
            tensors[f"{key}.lora_down.weight"] = torch.randn(4, part.in_features, generator=chance) * 0.2
    assert tensors
    path = folder / f"changes{ending}.safetensors"
    save_file(tensors, path)
    return path
