"""GLIGEN: boxes as diffusers' own gated U-Net reads them, from a file of its authors' layout to a guided estimate."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionGLIGENPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import BatchEncoding

from nodes.diffusion.errors import CheckpointUnknown, DiffusionError
from nodes.diffusion.gligen import Box, Boxes, Gligen
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models import unet_shape
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.gligen import LoadedGligen, load_gligen
from nodes.diffusion.models.load import Placement
from nodes.diffusion.noise import start_noise
from nodes.diffusion.noise_levels import from_betas, scaled_linear_betas
from nodes.diffusion.pool import Pool
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import for_run
from nodes.diffusion.values import Area, Cond, Latent, Model, Span
from tests.diffusion.models.tiny import CONTEXT, UNET, original_unet, seeded, text, vae

SIGMA = from_betas(scaled_linear_betas()).sigmas[500]
CHANCE = torch.Generator().manual_seed(11)
LATENTS = torch.randn(2, 4, 16, 12, generator=CHANCE)
TEXTS = [Cond(torch.randn(1, 7, CONTEXT, generator=CHANCE)) for _ in range(2)]
WORDS = torch.randn(2, CONTEXT, generator=CHANCE)
BOXES = (Box(WORDS[:1], 8, 6, 2, 3), Box(WORDS[1:], 16, 12, 0, 0))


def gated() -> UNet2DConditionModel:
    kinds = ("UpBlock2D", "CrossAttnUpBlock2D")
    module = seeded(UNet2DConditionModel(up_block_types=kinds, attention_type="gated", **UNET), 6)
    for name, parameter in module.named_parameters():
        if "alpha_" in name:
            parameter.fill_(0.8)
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The network without its gates in one file, the gates in another."""
    folder, module = tmp_path_factory.mktemp("gligen"), gated()
    shapes = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    names = unet_shape.original_names(
        unet_shape.diffusers_shape({name: shape for name, shape in shapes.items() if ".fuser." not in name})
    )
    fusers = {name for name in shapes if ".fuser." in name}
    places = {name for name in shapes if name.startswith("position_net.")}
    back = {ours: theirs for theirs, ours in names.items()}
    whole = module.state_dict()
    gates = {name: whole[name].clone() for name in places}
    for name in fusers:
        theirs = unet_shape.renamed(name, back)
        assert theirs is not None
        gates[theirs] = whole[name].clone()
    plain = UNet2DConditionModel(up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"), **UNET)
    plain.load_state_dict({name: whole[name] for name in plain.state_dict()})
    save_file(original_unet(plain, names, "model.diffusion_model."), folder / "model.safetensors")
    save_file(gates, folder / "gligen.safetensors")
    return folder / "model.safetensors", folder / "gligen.safetensors"


def expected(text: Cond, latents: torch.Tensor, boxes: tuple[Box, ...] | None) -> torch.Tensor:
    """The estimate of diffusers' own gated U-Net, which may be told that there are no boxes; None: its gates stay out."""
    scaled = latents / (SIGMA**2 + 1.0) ** 0.5
    timestep = from_betas(scaled_linear_betas()).timestep(SIGMA.reshape(1))
    height, width = latents.shape[-2:]
    corners, words, shown = torch.zeros(1, 30, 4), torch.zeros(1, 30, CONTEXT), torch.zeros(1, 30)
    for index, box in enumerate(boxes or ()):
        right, bottom = (box.x + box.width) / width, (box.y + box.height) / height
        corners[0, index] = torch.tensor([box.x / width, box.y / height, right, bottom])
        words[0, index], shown[0, index] = box.words[0], 1.0
    count = len(latents)
    told = {"boxes": corners, "positive_embeddings": words, "masks": shown}
    told = {name: tensor.expand(count, *tensor.shape[1:]) for name, tensor in told.items()}
    with torch.no_grad():
        noise = gated()(
            scaled,
            timestep,
            text.context.expand(count, -1, -1),
            cross_attention_kwargs=None if boxes is None else {"gligen": told},
        ).sample
    return latents - noise * SIGMA


def test_boxes_are_read_as_the_gated_network_of_diffusers_reads_them(
    files: tuple[Path, Path], placement: Placement, hashes: ContentHashes
):
    model, gates = (hashes.reference(path) for path in files)
    boxes = Boxes(Gligen(gates)).with_box(Gligen(gates), BOXES[0]).with_box(Gligen(gates), BOXES[1])
    with pool_session(placement) as models:
        network = models.network(Model(model))
        guided = Guided(network, (TEXTS[0].with_extra({"gligen": boxes}),), (TEXTS[1],), 3.0)
        positive, negative = guided.sides(LATENTS, SIGMA, [guided.positive, guided.negative])
        torch.testing.assert_close(positive, expected(TEXTS[0], LATENTS, BOXES), rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(negative, expected(TEXTS[1], LATENTS, ()), rtol=1e-4, atol=1e-4)
        assert (negative - expected(TEXTS[1], LATENTS, None)).abs().max() > 0.01
        assert (positive - expected(TEXTS[0], LATENTS, None)).abs().max() > 0.05
        assert (positive - expected(TEXTS[0], LATENTS, BOXES[:1])).abs().max() > 0.01
        again = Guided(network, (TEXTS[0],), (), 1.0)(LATENTS, SIGMA)  # nothing of it stays on the network
        torch.testing.assert_close(again, expected(TEXTS[0], LATENTS, None), rtol=1e-4, atol=1e-4)


def test_boxes_count_with_areas_where_their_condition_counts(
    files: tuple[Path, Path], placement: Placement, hashes: ContentHashes
):
    model, gates = (hashes.reference(path) for path in files)
    boxes = Boxes(Gligen(gates), BOXES[:1])
    left = Cond(TEXTS[0].context, area=Area(16, 6, 0, 0), extra={"gligen": boxes})
    right = Cond(TEXTS[1].context, area=Area(16, 6, 0, 6))
    with pool_session(placement) as models:
        made = Guided(models.network(Model(model)), (left, right), (), 1.0)(LATENTS, SIGMA)
    halves = (
        expected(TEXTS[0], LATENTS[..., :6], BOXES[:1]),
        expected(TEXTS[1], LATENTS[..., 6:], None),
    )
    torch.testing.assert_close(made, torch.cat(halves, -1), rtol=1e-4, atol=1e-4)


class Phrases:
    """A tokeniser of two phrases for the pipeline, which asks for no more than this."""

    def __call__(self, phrases: list[str], **_how: object) -> BatchEncoding:
        ids = {"a cat": [49406, 2368, 49407], "a moon": [49406, 3293, 49407]}
        return BatchEncoding({"input_ids": torch.tensor([ids[phrase] for phrase in phrases])})


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:__array__ implementation:DeprecationWarning")
def test_every_step_is_that_of_the_pipeline_with_boxes_for_a_share_of_the_run(
    files: tuple[Path, Path], placement: Placement, hashes: ContentHashes
):
    """Boxes count for the first of two steps; the negative side is told meanwhile that there are none."""
    reader = text()
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="trailing",
        clip_sample=False,
    )
    parts = {"vae": vae(), "text_encoder": reader, "tokenizer": Phrases(), "unet": gated()}
    pipeline = StableDiffusionGLIGENPipeline(
        **parts,  # type: ignore[arg-type]
        scheduler=scheduler,
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    wanted: list[torch.Tensor] = []
    phrases, count = ["a cat", "a moon"], len(LATENTS)
    pipeline(
        prompt_embeds=TEXTS[0].context.expand(count, -1, -1),
        negative_prompt_embeds=TEXTS[1].context.expand(count, -1, -1),
        gligen_phrases=phrases,
        gligen_boxes=[[3 / 12, 2 / 16, 9 / 12, 10 / 16], [0.0, 0.0, 1.0, 1.0]],
        gligen_scheduled_sampling_beta=0.5,
        latents=start_noise(LATENTS.shape, 3),
        height=128,
        width=96,
        num_inference_steps=2,
        guidance_scale=3.0,
        output_type="latent",
        callback=lambda _index, _time, latents: wanted.append(latents.clone()),
    )
    model, gates = (hashes.reference(path) for path in files)
    boxes = Boxes(Gligen(gates))
    for phrase, box in zip(phrases, BOXES, strict=True):
        words = reader(**Phrases()([phrase])).pooler_output
        boxes = boxes.with_box(Gligen(gates), replace(box, words=words))
    early = replace(TEXTS[0], span=Span(0.0, 0.3)).with_extra({"gligen": boxes})
    late = replace(TEXTS[0], span=Span(0.3, 1.0))
    levels = from_betas(scaled_linear_betas())
    sigmas = for_run("simple", levels, 2)
    with pool_session(placement) as models:
        guided = Guided(models.network(Model(model)), (early, late), (TEXTS[1],), 3.0)
        blank = Latent(torch.zeros(LATENTS.shape))
        made = [step.latents for step in sample(guided, blank, Run("ddim", sigmas, 3))]
    assert len(made) == len(wanted) == 2
    for ours, theirs, sigma in zip(made, wanted, sigmas[1:], strict=True):
        at_theirs = ours * 0.18215 / (1 + sigma**2) ** 0.5
        assert (at_theirs - theirs).abs().max() < 1e-4 * theirs.abs().max()


def pool_session(placement: Placement):
    return Pool(placement, 2**30).session()


def test_words_of_another_model_and_other_sizes_are_refused(files: tuple[Path, Path], placement: Placement):
    loaded: LoadedGligen = load_gligen(files[1], placement)
    with pytest.raises(DiffusionError, match="words of 64 features, and is given 8"):
        loaded.changes([Box(torch.zeros(1, 8), 1, 1, 0, 0)], LATENTS)
    from nodes.diffusion.changes import Place, Way

    (look,) = loaded.changes(BOXES, LATENTS).between
    place = Place(Way.INPUT, 1, 0, cross=False)
    with pytest.raises(DiffusionError, match="another size"):
        look(place, torch.zeros(1, 4, 64))
    hidden = torch.zeros(1, 4, 64)
    assert look(Place(Way.INPUT, 5, 0, cross=False), hidden) is hidden


def test_other_files_are_refused(files: tuple[Path, Path], placement: Placement):
    with pytest.raises(CheckpointUnknown, match="gated attention"):
        load_gligen(files[0], placement)
