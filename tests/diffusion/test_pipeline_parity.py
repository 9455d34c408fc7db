"""Latents step by step as diffusers' StableDiffusionPipeline makes them: the same weights, noise, prompts and sigmas.

Sigmas are those of its whole timesteps. Left out are schedules that visit places between two: it tells the network the
place, we tell it the nearest timestep. What else is not compared, because the two differ:

- Euler, Heun and LMS start there at noise * sigma, here at noise * sqrt(1 + sigma^2) from the top: the start is handed over.
- LMS: its last step follows the polynomial down to sigma 0, ours takes the denoised latents. All steps before are compared.
- UniPC: it corrects a step at the start of the next, we at once, so the last latents alone are compared. From a last sigma
  of 0 its last step takes the denoised latents, ours goes to 0.001: both end at the lowest sigma of the table instead.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LMSDiscreteScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
    UniPCMultistepScheduler,
)
from torch import Tensor

from nodes.diffusion.denoiser import Network
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.load import Placement, load_network, load_text, load_vae
from nodes.diffusion.noise import start_noise
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import ended, for_run
from nodes.diffusion.values import Cond, Latent
from tests.diffusion.models import tiny

# It hands torch's numbers to numpy in a way that numpy 2 warns of.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

STEPS = 5  # of another number, which does not divide 1000, DDIM steps past the next of its own timesteps
SEED, SCALE = 7, 5.0
SHAPE = (2, 4, 8, 8)
TRAINED = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,  # counts for the leading spacing alone
}
TRAILING, LEADING = {"timestep_spacing": "trailing"}, {"timestep_spacing": "leading"}
TO_ZERO = {"clip_sample": False, "set_alpha_to_one": True}  # DDIM's last step goes all the way
BUT_THE_LAST, THE_LAST = range(STEPS - 1), range(STEPS - 1, STEPS)
TOLERANCE = 1e-4  # of the largest number


@dataclass(frozen=True)
class Pair:
    """One algorithm under both names.

    Attributes:
        ours: a sampler. theirs: a scheduler, with options.
        preserving: its latents have variance 1 throughout, ours grow with sigma.
        compared: which steps.
        ends_low: at the lowest sigma of the table, not at 0.
    """

    ours: str
    theirs: Any
    options: Mapping[str, object] = field(default_factory=dict)
    preserving: bool = False
    compared: range = range(STEPS)
    ends_low: bool = False


PAIRS = {
    "ddim": Pair("ddim", DDIMScheduler, TO_ZERO, preserving=True),
    "euler": Pair("euler", EulerDiscreteScheduler),
    "heun": Pair("heun", HeunDiscreteScheduler),
    "lms": Pair("lms", LMSDiscreteScheduler, compared=BUT_THE_LAST),
    "dpmpp_2m": Pair("dpmpp_2m", DPMSolverMultistepScheduler, {"solver_order": 2}, preserving=True),
    "uni_pc": Pair(
        "uni_pc",
        UniPCMultistepScheduler,
        {"solver_order": 3, "solver_type": "bh1", "final_sigmas_type": "sigma_min"},
        preserving=True,
        compared=THE_LAST,
        ends_low=True,
    ),
    "uni_pc_bh2": Pair(
        "uni_pc_bh2",
        UniPCMultistepScheduler,
        {"solver_order": 3, "solver_type": "bh2", "final_sigmas_type": "sigma_min"},
        preserving=True,
        compared=THE_LAST,
        ends_low=True,
    ),
}


@dataclass(frozen=True)
class Model:
    """The tiny model as both load it, and two prompts as our text encoder reads them."""

    folder: Path
    predicts: str
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    network: Network
    positive: Tensor
    negative: Tensor

    def pipeline(self, scheduler: Any, **options: Any) -> StableDiffusionPipeline:
        made = StableDiffusionPipeline(
            self.vae,
            None,  # type: ignore[arg-type]  # prompts come encoded
            None,  # type: ignore[arg-type]
            self.unet,
            scheduler(**TRAINED, prediction_type=self.predicts, **options),
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            requires_safety_checker=False,
        )
        made.set_progress_bar_config(disable=True)
        return made

    def guided(self) -> Guided:
        return Guided(self.network, (Cond(self.positive),), (Cond(self.negative),), SCALE)


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    said = {"prediction_type": request.param}
    folder = tiny.folder(tmp_path_factory.mktemp("parity") / "tiny", said)
    placement = Placement(torch.device("cpu"), torch.float32, torch.float32)
    encoder = load_text(folder, placement).encoders["l"]
    prompts = [encoder.encode(text).context for text in ("a red apple", "")]
    network = load_network(folder, placement)
    return Model(folder, request.param, tiny.unet(), tiny.vae(), network, *prompts)


def asked(pipeline: StableDiffusionPipeline, model: Model, **more: Any) -> Any:
    """What the pipeline makes of the two prompts."""
    return pipeline(
        prompt_embeds=model.positive.expand(SHAPE[0], -1, -1),
        negative_prompt_embeds=model.negative.expand(SHAPE[0], -1, -1),
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        height=SHAPE[2] * 8,
        width=SHAPE[3] * 8,
        **more,
    )


def theirs(pipeline: StableDiffusionPipeline, model: Model, start: Tensor) -> list[Tensor]:
    """Latents after each whole step."""
    kept: list[Tensor] = []

    def keep(_pipeline: Any, _index: int, _time: Any, state: dict[str, Tensor]) -> dict[str, Tensor]:
        kept.append(state["latents"].clone())
        return state

    asked(pipeline, model, latents=start, output_type="latent", callback_on_step_end=keep)
    second_order = pipeline.scheduler.order == 2  # half steps are not compared; the last step has none
    return [*kept[1::2], kept[-1]] if second_order else kept


def visited(scheduler: Any, model: Model) -> Tensor:
    """The sigmas of its timesteps, and 0."""
    scheduler.set_timesteps(STEPS)
    times = dict.fromkeys(scheduler.timesteps.tolist())
    assert len(times) == STEPS
    return ended(model.network.levels.sigma(torch.tensor(list(times))))


def apart(made: Tensor, wanted: Tensor) -> float:
    """The largest difference, as a share of the largest number."""
    return float((made - wanted).abs().max() / wanted.abs().max())


NEEDS_SCIPY = pytest.mark.skipif(find_spec("scipy") is None, reason="its LMS integrates with SciPy")


@pytest.mark.parametrize("spacing", [TRAILING, LEADING], ids=["trailing", "leading"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=NEEDS_SCIPY if name == "lms" else ()) for name in PAIRS]
)
def test_every_step_is_the_pipelines(model: Model, name: str, spacing: Mapping[str, object]):
    pair = PAIRS[name]
    pipeline = model.pipeline(pair.theirs, **pair.options, **spacing)
    sigmas = visited(pipeline.scheduler, model)
    if pair.ends_low:
        sigmas[-1] = model.network.levels.minimum
    from_the_top = math.isclose(float(sigmas[0]), model.network.levels.maximum, rel_tol=1e-5)
    first = math.sqrt(1 + float(sigmas[0]) ** 2) if from_the_top else float(sigmas[0])
    spreads = (1 + sigmas**2).sqrt() if pair.preserving else torch.ones_like(sigmas)
    noise = start_noise(SHAPE, SEED)
    start = noise * first / float(spreads[0]) / float(pipeline.scheduler.init_noise_sigma)
    wanted = theirs(pipeline, model, start)

    run = Run(pair.ours, sigmas, SEED)
    made = [step.latents for step in sample(model.guided(), Latent(torch.zeros(SHAPE)), run)]
    assert len(made) == len(wanted) == STEPS
    unit = pipeline.vae.config.scaling_factor
    for index in pair.compared:
        distance = apart(made[index] * unit / spreads[index + 1], wanted[index])
        assert distance < TOLERANCE, f"step {index}: {distance:.1e}"
    assert all(apart(one, other) > 1e-3 for one, other in pairwise(wanted))  # each step went somewhere


def test_a_seed_alone_gives_the_pipelines_picture(model: Model):
    """DDIM from pure noise: no start is handed over, and what is compared is what people see."""
    pipeline = model.pipeline(DDIMScheduler, **TO_ZERO, **TRAILING)
    wanted = asked(pipeline, model, generator=torch.Generator().manual_seed(SEED), output_type="pt").images
    run = Run("ddim", for_run("simple", model.network.levels, STEPS), SEED)
    *_, last = sample(model.guided(), Latent(torch.zeros(SHAPE)), run)
    coder = load_vae(model.folder, Placement(torch.device("cpu"), torch.float32, torch.float32))
    assert apart(coder.decode(last.latents).movedim(-1, 1), wanted) < TOLERANCE


@pytest.mark.parametrize(
    ("schedule", "spacing"), [("simple", TRAILING), ("ddim_uniform", LEADING)], ids=["trailing", "leading"]
)
def test_two_of_its_spacings_are_schedules_of_ours(model: Model, schedule: str, spacing: Mapping[str, Any]):
    scheduler = EulerDiscreteScheduler(**TRAINED, **spacing)
    wanted = visited(scheduler, model)
    assert torch.allclose(for_run(schedule, model.network.levels, STEPS), wanted, rtol=1e-6, atol=0)
    assert torch.allclose(scheduler.sigmas, wanted, rtol=1e-5, atol=0)
