"""Networks that steer transformers by pictures, for all prompts: Z-Image's, Qwen-Image's blockwise ones, USO's styles."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from diffusers import ZImageControlNetModel
from safetensors.torch import save_file
from torch import Tensor, nn

from nodes.diffusion.denoiser import ControlNetwork, NetworkInputs
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import Guided
from nodes.diffusion.guidance.controlling import Controlled, StyleReferenced
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.models.controls import Company, load_control_file
from nodes.diffusion.models.load import load_network
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.models.style_tokens import BEFORE, Projector, load_projector
from nodes.diffusion.values import CheckpointRef, Cond, ControlNet, ControlUse
from nodes.diffusion.vision_values import ClipVisionOutput
from tests.diffusion.models.test_transformers import PLACEMENT, tiny_network, written
from tests.diffusion.models.transformers import CASES, some

SIGMA, SHAPE, STRENGTH = torch.tensor(0.6), (2, 16, 8, 6), 0.7
PICTURE, OTHER = some(2, 64, 48, 3, seed=7).sigmoid(), some(1, 64, 48, 3, seed=8).sigmoid()
MASK = torch.ones(1, 64, 48)
MASK[:, 16:40, 8:30] = 0.0  # as nodes hand it on: 0 is painted anew


class Encoder:
    """Latents that are a picture's means, so that every place of it counts."""

    def encode(self, image: Tensor) -> Tensor:
        return F.avg_pool2d(image.movedim(-1, 1), 8).repeat(1, 6, 1, 1)[:, :16] * 2.0 - 0.3


def random(module: nn.Module, seed: int = 3) -> nn.Module:
    chance = torch.Generator().manual_seed(seed)
    for tensor in module.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape, generator=chance) * 0.2)
    return module.eval().requires_grad_(False)


def saved(module: nn.Module, path: Path, before: str = "") -> Path:
    save_file({before + name: tensor.contiguous() for name, tensor in module.state_dict().items()}, path)
    return path


def network_of(name: str, path: Path, **more: object) -> tuple[Any, LoadedNetwork]:
    case = next(case for case in CASES if case.name == name)
    case = replace(case, tiny={**case.tiny, **more})
    module = tiny_network(case)
    return module, load_network(written(case, module, path / "model.safetensors"), PLACEMENT)


def at_work(path: Path) -> Callable[[ControlUse, Any], ControlNetwork]:
    file = load_control_file(path, PLACEMENT)

    def find(asked: ControlUse, network: LoadedNetwork) -> ControlNetwork:
        return file.beside(Company(asked.net, network, Encoder))

    return find


def use(**more: Any) -> ControlUse:
    net = ControlNet(CheckpointRef(Path("patch.safetensors"), "abc"))
    return ControlUse(net, PICTURE, STRENGTH, **more)


def predicted(
    network: LoadedNetwork, controls: Any, told: ControlUse, text: Tensor, latents: Tensor
) -> Tensor:
    """What the network gives with a control network of its model's, both items of a batch."""
    guided = Guided(network, (Cond(text),), (), 1.0, controls, (Controlled(told),))
    return (latents - guided(latents, SIGMA)) / SIGMA


Z_SIZES = {"dim": 48, "n_heads": 2, "n_kv_heads": 2}


@pytest.fixture(scope="module")
def z_image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, LoadedNetwork]:
    return network_of("Z-Image", tmp_path_factory.mktemp("z"), in_channels=16, n_layers=4)


def z_net(module: Any, version: str | None, places: list[int]) -> Any:
    config = module.config
    return random(
        ZImageControlNetModel(
            control_layers_places=places,
            control_refiner_layers_places=list(range(config.n_refiner_layers)),
            control_in_dim=16 if version is None else 33,
            add_control_noise_refiner=version,
            dim=config.dim,
            n_refiner_layers=config.n_refiner_layers,
            n_heads=config.n_heads,
            n_kv_heads=config.n_kv_heads,
        )
    )


@torch.no_grad()
@pytest.mark.parametrize("version", [None, "control_noise_refiner", "control_layers"])
def test_z_image_is_steered_as_diffusers_does(
    tmp_path: Path, z_image: tuple[Any, LoadedNetwork], version: str | None
):
    module, network = z_image
    net = z_net(module, version, [0, 2])
    controls = at_work(saved(net, tmp_path / "net.safetensors"))
    text, latents = some(1, 7, module.config.cap_feat_dim, seed=2), some(*SHAPE, seed=5)
    told = use(mask=MASK, inpainted=OTHER)
    made = predicted(network, controls, told, text, latents)

    form = latent_format("Flux")
    hint = form.to_model(Encoder().encode(PICTURE))
    if version is not None:
        kept = (OTHER - 0.5) * MASK[..., None] + 0.5
        shown = form.to_model(Encoder().encode(kept)).expand(2, -1, -1, -1)
        hint = torch.cat((hint, F.interpolate(MASK[None], SHAPE[2:]).expand(2, -1, -1, -1), shown), 1)
    refining: list[Tensor] = []
    shared = ZImageControlNetModel.from_transformer(net, module)
    time, texts = torch.full((2,), 1 - float(SIGMA)), [text[0]] * 2
    if (
        version is not None
    ):  # what diffusers adds to the refiner in the net alone, the field adds in the network too
        blocks = net.control_noise_refiner if version == "control_noise_refiner" else net.control_layers
        hook = blocks[-1].register_forward_hook(
            lambda _module, _inputs, output: refining.extend(output.unbind(0)[:-1]) if not refining else None
        )
    planes = [list(part[:, :, None].unbind(0)) for part in (latents, hint)]
    samples = shared(planes[0], time, texts, planes[1], conditioning_scale=STRENGTH)
    if version is not None:
        hook.remove()
    added = [
        block.register_forward_hook(lambda _module, _inputs, output, part=part: output + part * STRENGTH)
        for block, part in zip(module.noise_refiner, refining, strict=False)
    ]
    answer = module(planes[0], time, texts, controlnet_block_samples=samples, return_dict=False)[0]
    bare = module(planes[0], time, texts, return_dict=False)[0] if not added else answer
    for each in added:
        each.remove()
    wanted = -torch.stack(answer)[:, :, 0]
    torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    assert added or float((torch.stack(bare) - torch.stack(answer)).abs().max()) > 1e-3


class Blockwise(nn.Module):
    """The published net, written out."""

    def __init__(self, read: int, width: int, blocks: int) -> None:
        super().__init__()
        self.img_in = nn.Linear(read, width)
        self.controlnet_blocks = nn.ModuleList()
        for _ in range(blocks):
            block = nn.Module()
            block.x_rms, block.y_rms = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
            block.input_proj, block.output_proj = nn.Linear(width, width), nn.Linear(width, width)
            self.controlnet_blocks.append(block)

    def behind(self, number: int, hint: Tensor, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        text, tokens = output
        block: Any = self.controlnet_blocks[number]
        made = block.output_proj(F.gelu(block.input_proj(block.x_rms(tokens) + block.y_rms(hint))))
        return text, tokens + made * STRENGTH


def patches(latents: Tensor) -> Tensor:
    cut = latents.unfold(2, 2, 2).unfold(3, 2, 2)
    return cut.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


@pytest.mark.parametrize("masked", [False, True], ids=["plain", "inpainting"])
def test_qwen_image_is_steered_behind_each_of_its_blocks(tmp_path: Path, *, masked: bool):
    module, network = network_of("Qwen-Image", tmp_path, in_channels=64, out_channels=16)
    width, blocks = module.img_in.out_features, len(module.transformer_blocks)
    net: Any = random(Blockwise(68 if masked else 64, width, blocks))
    controls = at_work(saved(net, tmp_path / "net.safetensors"))
    text, latents = some(1, 7, module.config.joint_attention_dim, seed=2), some(*SHAPE, seed=5)
    made = predicted(network, controls, use(mask=MASK if masked else None), text, latents)

    hint = latent_format("Wan21").to_model(Encoder().encode(PICTURE)[:, :, None])[:, :, 0]
    if masked:
        sized = F.interpolate(MASK[None], SHAPE[2:], mode="bilinear")
        hint = torch.cat((hint, sized.expand(2, -1, -1, -1)), 1)
    tokens = net.img_in(patches(hint))
    hooks = [
        block.register_forward_hook(partial(net.behind, number, tokens))
        for number, block in enumerate(module.transformer_blocks)
    ]
    answer = module(
        patches(latents),
        encoder_hidden_states=text.expand(2, -1, -1),
        encoder_hidden_states_mask=None,
        timestep=SIGMA.expand(2),
        img_shapes=[[(1, 4, 3)]] * 2,
        return_dict=False,
    )[0]
    for hook in hooks:
        hook.remove()
    wanted = patches(made)
    torch.testing.assert_close(wanted, answer, rtol=1e-4, atol=1e-4 * float(answer.abs().max()))


def test_a_net_of_another_family_is_refused(tmp_path: Path, z_image: tuple[Any, LoadedNetwork]):
    controls = at_work(saved(random(Blockwise(64, 48, 2)), tmp_path / "net.safetensors"))
    with pytest.raises(DiffusionError, match="made for Qwen-Image"):
        controls(use(), z_image[1])


def test_a_style_is_read_before_the_text(tmp_path: Path):
    module, network = network_of("FLUX.1", tmp_path, in_channels=64)
    width = module.context_embedder.out_features
    net: Any = random(Projector((27, 4), (40, width)))
    loaded = load_projector(saved(net, tmp_path / "uso.safetensors", BEFORE), PLACEMENT)
    states = {level: some(1, 27, 40, seed=seed) for seed, level in enumerate(("low", "mid", "high"))}
    seen = ClipVisionOutput(None, states["high"], states["high"], low=states["low"], middle=states["mid"])
    tokens = loaded.tokens(seen)
    parts = []
    for level in ("high", "mid", "low"):
        mix, norm, project = (
            net.get_submodule(f"{level}_{part}") for part in ("embedding_linear", "layer_norm", "projection")
        )
        parts.append(project(norm(F.silu(mix[0](states[level].mT)).mT)))
    torch.testing.assert_close(tokens, torch.cat(parts, 1), rtol=1e-5, atol=1e-5)

    case = next(case for case in CASES if case.name == "FLUX.1")
    text, latents = some(1, 7, module.config.joint_attention_dim, seed=2), some(1, *SHAPE[1:], seed=5)
    pooled = some(1, module.config.pooled_projection_dim, seed=6)
    longer = torch.cat(
        (text, text.new_zeros(1, tokens.shape[1], text.shape[-1])), 1
    )  # so that ids are counted
    hook = module.context_embedder.register_forward_hook(
        lambda _module, _inputs, output: torch.cat((tokens, output[:, : text.shape[1]]), 1)
    )
    told = NetworkInputs(pooled=pooled, guidance=torch.tensor([3.5]))
    wanted = case.called(module, latents, float(SIGMA), longer, told)
    hook.remove()
    guided = Guided(network, (Cond(text, pooled),), (), 1.0, rules=(StyleReferenced(tokens),))
    made = (latents - guided(latents, SIGMA)) / SIGMA
    torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    with pytest.raises(DiffusionError, match="SigLIP"):
        loaded.tokens(ClipVisionOutput(None, states["high"], states["high"]))
