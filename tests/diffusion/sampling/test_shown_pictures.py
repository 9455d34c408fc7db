"""Pictures that a network is shown: to resemble (unCLIP), and the one that a masked run of an inpainting model has."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDPMScheduler, StableUnCLIPImg2ImgPipeline, UNet2DConditionModel
from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
from safetensors.torch import save_file
from torch import Tensor

from nodes.diffusion.changes import NO_CHANGES, NetworkChanges
from nodes.diffusion.conditions import BLANK
from nodes.diffusion.denoiser import NO_INPUTS, NetworkInputs, Residuals
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import Guided
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models import unet_shape
from nodes.diffusion.models.load import Placement, load_network
from nodes.diffusion.resembling import Seen, resembled
from nodes.diffusion.sampling.loop import Run, sample
from nodes.diffusion.values import Cond, Latent
from nodes.diffusion.vision_values import ClipVisionOutput
from tests.diffusion.models.tiny import UNET, original_unet, seeded
from tests.diffusion.sampling.test_guidance import SIGMA, ZERO, Echo, cond

WIDTH = 12
CHANCE = torch.Generator().manual_seed(9)
MEAN, DEVIATION = torch.randn(WIDTH, generator=CHANCE), torch.rand(WIDTH, generator=CHANCE) + 0.5
PICTURES = torch.randn(2, WIDTH, generator=CHANCE)
PLACEMENT = Placement(torch.device("cpu"), torch.float32, torch.float32)
SEED = 3  # less than what is taken off for the noise of pictures


def seen(*pictures: Tensor) -> ClipVisionOutput:
    return ClipVisionOutput(torch.stack(pictures), torch.zeros(len(pictures), 1, 1), torch.zeros(1, 1, 1))


def shown(output: ClipVisionOutput, strength: float = 1.0, noise: float = 0.0) -> dict[str, object]:
    return {"clip_vision_output": output, "strength": strength, "noise_augmentation": noise}


def reference(picture: Tensor, level: int) -> Tensor:
    """As diffusers' pipeline makes a picture noisy."""
    normalizer = StableUnCLIPImageNormalizer(WIDTH)
    normalizer.mean.data, normalizer.std.data = MEAN[None], DEVIATION[None]
    pipeline = SimpleNamespace(
        image_normalizer=normalizer,
        image_noising_scheduler=DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
    )
    chance = torch.Generator().manual_seed((SEED - 10) % 2**64)
    with torch.no_grad():
        return StableUnCLIPImg2ImgPipeline.noise_image_embeddings(
            pipeline,  # type: ignore[arg-type]
            picture[None],
            level,
            generator=chance,
        )


def told(*entries: dict[str, object]) -> Tensor | None:
    return resembled({"unclip_conditioning": list(entries)}, Seen(MEAN, DEVIATION), SEED, ZERO)


@pytest.mark.parametrize(("noise", "level"), [(0.0, 0), (0.25, 250), (1.0, 999)])
@pytest.mark.parametrize("strength", [1.0, -0.5])
def test_a_picture_is_made_noisy_as_diffusers_does_it(noise: float, level: int, strength: float):
    made = told(shown(seen(PICTURES[0]), strength, noise))
    assert made is not None
    torch.testing.assert_close(made, reference(PICTURES[0], level) * strength, rtol=1e-4, atol=1e-5)


def test_several_pictures_are_added_up_and_made_noisy_once_more():
    both = told(shown(seen(PICTURES[0]), 0.75, 0.1), shown(seen(PICTURES[1]), 0.5, 0.0))
    total = reference(PICTURES[0], 100) * 0.75 + reference(PICTURES[1], 0) * 0.5
    assert both is not None
    torch.testing.assert_close(both, reference(total[0, :WIDTH], 50), rtol=1e-4, atol=1e-5)
    batch, apart = told(shown(seen(*PICTURES))), told(*(shown(seen(picture)) for picture in PICTURES))
    assert batch is not None and apart is not None and torch.equal(batch, apart)


def test_nothing_is_told_of_no_picture_and_another_vision_model_is_refused():
    assert told() is None
    with pytest.raises(DiffusionError, match="8 features; the model reads 12"):
        told(shown(seen(torch.zeros(8))))


def test_a_checkpoint_that_resembles_pictures_is_asked_as_diffusers_asks_it(tmp_path: Path):
    settings = {
        **UNET,
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "class_embed_type": "projection",
        "projection_class_embeddings_input_dim": 2 * WIDTH,
        "use_linear_projection": True,
        "attention_head_dim": (1, 1),
    }
    module = seeded(UNet2DConditionModel(**settings))
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    names = unet_shape.original_names(unet_shape.diffusers_shape(shapes))
    state = original_unet(module, names, "model.diffusion_model.")
    state |= {"noise_augmentor.data_mean": MEAN[None], "noise_augmentor.data_std": DEVIATION[None]}
    save_file(state, tmp_path / "unclip.safetensors")
    network = load_network(tmp_path / "unclip.safetensors", PLACEMENT)
    text = Cond(torch.randn(1, 7, 64, generator=torch.Generator().manual_seed(1)))
    steered = text.with_extra({"unclip_conditioning": [shown(seen(PICTURES[0]), 1.0, 0.25)]})
    guided = Guided(network, (steered,), (text,), 3.0)
    guided.start(SEED, ZERO.shape)
    latents = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2))
    answers = []
    with torch.no_grad():
        for vector in (reference(PICTURES[0], 250), torch.zeros(1, 2 * WIDTH)):
            scaled = latents / (SIGMA**2 + 1.0) ** 0.5
            timestep = network.levels.timestep(SIGMA.reshape(1))
            noise = module(scaled, timestep, text.context, class_labels=vector).sample
            answers.append(latents - noise * SIGMA)
    expected = answers[1] + (answers[0] - answers[1]) * 3.0
    torch.testing.assert_close(guided(latents, SIGMA), expected, rtol=1e-3, atol=1e-3)


@dataclass
class Watching(Echo):
    """An inpainting network that keeps what it was told."""

    latent_format: LatentFormat = field(default_factory=lambda: LatentFormat(scale=2.0, joined=5))
    inputs: list[NetworkInputs] = field(default_factory=list[NetworkInputs])

    def __call__(
        self,
        latents: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        residuals: Residuals | None = None,
        inputs: NetworkInputs = NO_INPUTS,
        changes: NetworkChanges = NO_CHANGES,
    ) -> Tensor:
        self.inputs.append(inputs)
        return Echo.__call__(self, latents, timestep, context)


def joined_of(latent: Latent, positive: Cond) -> Tensor:
    network = Watching()
    run = Run("euler", torch.stack((SIGMA, torch.tensor(0.0))), 5)
    list(sample(Guided(network, (positive,), (), 1.0), latent, run))
    joined = network.inputs[0].joined
    assert joined is not None
    return joined


def test_an_inpainting_model_with_a_noise_mask_alone_reads_that_and_what_the_run_starts_from():
    picture = torch.randn(1, 4, 16, 16, generator=CHANCE)
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 64:] = 0.7
    latent = Latent(picture, mask)
    made = joined_of(latent, cond(1.0))
    assert torch.equal(made[:, 1:], picture * 2.0)
    assert torch.all(made[0, 0, :, 9:] == 1.0) and torch.all(made[0, 0, :, :7] == 0.0)
    other = torch.full((1, 4, 16, 16), 3.0)
    told = cond(1.0).with_extra({"concat_latent_image": other, "concat_mask": torch.ones(1, 1, 16, 16)})
    said = joined_of(latent, told)
    assert torch.all(said[:, :1] == 1.0) and torch.all(said[:, 1:] == 6.0)
    unmasked = joined_of(replace(latent, noise_mask=None), cond(1.0))
    assert torch.all(unmasked[:, :1] == 1.0)
    assert unmasked[0, 1:, 0, 0].tolist() == pytest.approx(BLANK)
