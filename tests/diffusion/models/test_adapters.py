"""T2I adapters: told from tensors in either layout, and stepping as diffusers' pipelines do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionAdapterPipeline, T2IAdapter, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.denoiser import ControlNetwork, NetworkInputs
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import Guided
from nodes.diffusion.latent_formats import latent_format
from nodes.diffusion.models.controls import Company, load_control_file
from nodes.diffusion.models.controls.adapters import LoadedAdapter
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.noise import start_noise
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import for_run
from nodes.diffusion.values import CheckpointRef, Cond, ControlNet, ControlUse, Latent
from tests.diffusion.models import tiny

KINDS: dict[str, dict[str, Any]] = {
    "full": {"channels": [32, 64], "adapter_type": "full_adapter"},
    "gray": {"channels": [32, 64], "adapter_type": "full_adapter", "in_channels": 1},
    "light": {"channels": [32], "adapter_type": "light_adapter", "num_res_blocks": 3},
    "xl": {"channels": [32, 64, 128, 128], "adapter_type": "full_adapter_xl", "downscale_factor": 16},
}
STEPS, SEED, SCALE, SHAPE = 4, 7, 3.0, (2, 4, 8, 8)
UNET: dict[str, Any] = tiny.UNET | {
    "block_out_channels": (32, 64, 64),
    "layers_per_block": 1,
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
}
PICTURE = torch.rand(1, 64, 64, 3, generator=torch.Generator().manual_seed(4))
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def adapter(kind: str) -> T2IAdapter:
    return tiny.seeded(T2IAdapter(**KINDS[kind]), 6)


def original(module: T2IAdapter) -> dict[str, Tensor]:
    """Its tensors as its authors named them: one row of blocks, or (light) levels of blocks."""
    light, made = module.config.adapter_type == "light_adapter", {}
    for name, tensor in module.state_dict().items():
        parts = name.split(".")[1:]
        if light and parts[2] == "resnets":
            parts[2] = "body"
        elif parts[0] == "body" and not light:
            inner = parts[3:] if parts[2] == "resnets" else ["0", *parts[2:]]
            parts = ["body", str(int(parts[1]) * module.config.num_res_blocks + int(inner[0])), *inner[1:]]
        made[".".join(parts)] = tensor.clone()
    return made


def use(**more: Any) -> ControlUse:
    return ControlUse(ControlNet(CheckpointRef(Path("net.safetensors"), "abc")), PICTURE, **more)


@pytest.mark.parametrize("layout", ["original", "diffusers", "folder"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_an_adapter_is_told_from_its_tensors(kind: str, layout: str, tmp_path: Path, placement: Placement):
    module, path = adapter(kind), tmp_path / "net.safetensors"
    if layout == "folder":
        path = tmp_path
        module.save_pretrained(tmp_path)
    else:
        save_file(original(module) if layout == "original" else module.state_dict(), path)
    made = load_control_file(path, placement)
    assert isinstance(made, LoadedAdapter) and isinstance(made, ControlNetwork)
    hint = made.hint(use(), 8, 8, latent_format("SD15"))
    shown = PICTURE.movedim(-1, 1)
    torch.testing.assert_close(hint, shown.mean(1, keepdim=True) if kind == "gray" else shown)
    levels = made(torch.zeros(1, 4, 8, 8), torch.zeros(1), torch.zeros(1, 1, 1), hint).levels
    for ours, theirs in zip(levels, module(hint), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["full", "light"])
def test_every_step_is_the_pipelines(kind: str, tmp_path: Path, placement: Placement):
    channels = {"full": [32, 64, 64], "light": [32, 64]}[kind]
    module = tiny.seeded(T2IAdapter(**KINDS[kind] | {"channels": channels}), 6)
    unet = tiny.seeded(UNet2DConditionModel(**UNET))
    unet.save_pretrained(tmp_path / "model" / "unet")
    (tmp_path / "model" / "scheduler").mkdir()
    _scheduler().save_pretrained(tmp_path / "model" / "scheduler")
    save_file(module.state_dict(), tmp_path / "net.safetensors")
    network = load_network(tmp_path / "model", placement)
    texts = [
        torch.randn(1, 9, tiny.CONTEXT, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)
    ]
    nothing: Any = None
    pipeline = StableDiffusionAdapterPipeline(
        tiny.vae(), nothing, nothing, unet, module, _scheduler(), nothing, nothing, False
    )
    pipeline.set_progress_bar_config(disable=True)
    answer: Any = pipeline(
        prompt_embeds=texts[0].expand(2, -1, -1),
        negative_prompt_embeds=texts[1].expand(2, -1, -1),
        image=PICTURE.movedim(-1, 1).expand(2, -1, -1, -1),
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        height=64,
        width=64,
        latents=start_noise(SHAPE, SEED),
        output_type="latent",
        adapter_conditioning_scale=0.7,
    )
    wanted: Tensor = answer.images

    def found(asked: ControlUse, beside: Any) -> ControlNetwork:
        file = load_control_file(tmp_path / "net.safetensors", placement)
        return file.beside(Company(asked.net, beside))

    conds = [(Cond(text, controls=(use(strength=0.7),)),) for text in texts]
    guided = Guided(network, *conds, SCALE, controls=found)
    run = Run("ddim", for_run("simple", network.levels, STEPS), SEED)
    *_, last = sample(guided, Latent(torch.zeros(SHAPE)), run)
    made = network.latent_format.to_model(last.latents)
    assert float((made - wanted).abs().max() / wanted.abs().max()) < 1e-4


def _scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


def test_an_adapter_of_the_xl_family_is_refused_by_another(
    model_file: Path, tmp_path: Path, placement: Placement
):
    save_file(adapter("xl").state_dict(), tmp_path / "net.safetensors")
    file, network = (
        load_control_file(tmp_path / "net.safetensors", placement),
        load_network(model_file, placement),
    )
    with pytest.raises(
        DiffusionError, match=r"net\.safetensors was made for Stable Diffusion XL; .*Stable Diffusion 1"
    ):
        file.beside(Company(use().net, network))


def test_an_xl_adapter_adds_to_every_level_and_the_middle(tmp_path: Path, placement: Placement):
    """Once as diffusers adds it, and once where blocks may have other sizes, so that we add it ourselves."""
    sizes = {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 8 + 6 * 256,
    }
    unet = tiny.seeded(UNet2DConditionModel(**UNET | sizes))
    unet.save_pretrained(tmp_path / "model" / "unet")
    (tmp_path / "model" / "scheduler").mkdir()
    _scheduler().save_pretrained(tmp_path / "model" / "scheduler")
    network = load_network(tmp_path / "model", placement)
    module = tiny.seeded(T2IAdapter(**KINDS["xl"] | {"channels": [32, 64, 64, 64]}), 6)
    save_file(module.state_dict(), tmp_path / "net.safetensors")
    file = load_control_file(tmp_path / "net.safetensors", placement)
    chance = torch.Generator().manual_seed(2)
    latents, times = torch.randn(1, 4, 8, 8, generator=chance), torch.tensor([300.0])
    text, pooled = torch.randn(1, 5, tiny.CONTEXT, generator=chance), torch.randn(1, 8, generator=chance)
    told = NetworkInputs(pooled=pooled, sizes=torch.tensor([[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]]))
    control = file.beside(Company(use().net, network))
    residuals = control(latents, times, text, control.hint(use(), 8, 8, network.latent_format))
    assert len(residuals.levels) == 4
    with torch.no_grad():
        wanted = unet(
            latents,
            times,
            text,
            added_cond_kwargs={"text_embeds": pooled, "time_ids": told.sizes},
            down_intrablock_additional_residuals=[part.clone() for part in residuals.levels],
        ).sample
    ways = (NO_CHANGES, NetworkChanges(after_skip=(lambda _number, hidden: hidden,)))
    for changes in ways:
        made = network(latents, times, text, residuals=residuals, inputs=told, changes=changes)
        torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-4)
    without = network(
        latents, times, text, residuals=replace(residuals, levels=residuals.levels[:3]), inputs=told
    )
    assert not torch.allclose(without, wanted, atol=1e-3)
