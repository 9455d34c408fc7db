"""IP-Adapters through their nodes: latents as diffusers' pipelines make them with `load_ip_adapter`, one model for both."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import save_file
from torch import Tensor, nn

from nodes.builtin import all_nodes
from nodes.builtin.storage import ResultCodec
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.image_prompts import Full, Plain, Resampler, load_image_prompts
from nodes.diffusion.models.load import Placement
from nodes.diffusion.models.pickled import tensors
from nodes.diffusion.models.vision import DEVIATIONS, MEANS
from nodes.diffusion.noise import start_noise
from nodes.diffusion.pool import Pool
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import for_run
from nodes.diffusion.values import Cond, Latent, Model
from nodes.spec import NodeError
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings
from tests.diffusion.models import tiny
from tests.diffusion.models.test_unet_families import CASES
from tests.diffusion.models.test_vision import LARGE, SEEN, clip

NODES = {entry.spec.id: entry for entry in all_nodes()}
PLACEMENT = Placement(torch.device("cpu"), torch.float32, torch.float32)
STEPS, SEED, SCALE, SHAPE = 2, 7, 5.0, (2, 4, 8, 8)
TRAINED = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
EYE, VECTOR = 64, 32  # features of the vision model's tokens and of its vector
LEFT, RIGHT = torch.zeros(1, 64, 64), torch.zeros(1, 64, 64)
LEFT[:, :, :24], RIGHT[:, :, 24:] = 1.0, 0.7


def reader(kind: str, made: int) -> nn.Module:
    return {
        "plain": lambda: Plain(VECTOR, made, 4),
        "plus": lambda: Resampler(5, (EYE, 48, made), (64, 192), 4),
        "full": lambda: Full(EYE, EYE, made),
    }[kind]()


def adapter(kind: str, unet: Any, seed: int = 3) -> dict[str, dict[str, Tensor]]:
    """A random one, as torch's files hold it."""
    made = unet.config.cross_attention_dim
    state = {name: tensor.clone() for name, tensor in reader(kind, made).state_dict().items()}
    names = [name for name in unet.attn_processors if "attn2" in name]
    widths = [unet.get_submodule(name.removesuffix(".processor")).to_k.out_features for name in names]
    layers = {
        f"{2 * index + 1}.to_{side}_ip.weight": torch.empty(width, made)
        for index, width in enumerate(widths)
        for side in "kv"
    }
    chance = torch.Generator().manual_seed(seed)
    for tensor in (*state.values(), *layers.values()):
        tensor.copy_(torch.randn(tensor.shape, generator=chance) * 0.3)
    return {"image_proj": state, "ip_adapter": layers}


def flat(state: dict[str, dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{outer}.{name}": tensor for outer, held in state.items() for name, tensor in held.items()}


def pixels(picture: Tensor) -> Tensor:
    """As the vision model was trained to read them."""
    planes = (picture.movedim(-1, 1) * 255.0).round() / 255.0
    mean, deviation = (torch.tensor(part).reshape(1, 3, 1, 1) for part in (MEANS, DEVIATIONS))
    return (planes - mean) / deviation


@pytest.fixture(scope="module")
def around(tmp_path_factory: pytest.TempPathFactory) -> Surroundings:
    path = tmp_path_factory.mktemp("prompts")
    files = Workspace(path)
    for folder in ("clip_vision", "ipadapter", "checkpoints"):
        (path / "models" / folder).mkdir(parents=True, exist_ok=True)
    save_file(clip(LARGE).state_dict(), path / "models" / "clip_vision" / "eye.safetensors")
    for name, unet in (("tiny", tiny.unet()), ("xl", tiny.seeded(CASES["XL"].unet()))):
        save_file(unet.state_dict(), path / "models" / "checkpoints" / f"{name}.safetensors")
    for kind in ("plain", "plus", "full"):
        for name, unet in (("", tiny.unet()), ("xl_", CASES["XL"].unet())):
            made = flat(adapter(kind, unet))
            save_file(made, path / "models" / "ipadapter" / f"{name}{kind}.safetensors")
    return Surroundings(files, {Pool: Pool(PLACEMENT, 2**30), ContentHashes: ContentHashes()})


def applied(around: Surroundings, model: Model, kind: str, **more: object) -> Model:
    lent = NODES["WeftIPAdapterLoader"].run(around, ip_adapter_name=f"{kind}.safetensors")
    eye = NODES["CLIPVisionLoader"].run(around, clip_name="eye.safetensors")
    said: dict[str, object] = {
        "weight": 0.8,
        "weight_type": "standard",
        "several": "concat",
        "crop": "center",
    }
    said |= {"image": SEEN, "start_percent": 0.0, "end_percent": 1.0, "mask": None} | more
    return NODES["WeftIPAdapterApply"].run(around, model=model, ip_adapter=lent, clip_vision=eye, **said)


def checkpoint(around: Surroundings, name: str) -> Model:
    path = around.files.find("checkpoints", f"{name}.safetensors")
    return Model(around.resource(ContentHashes).reference(path))


def text(width: int, seed: int, pooled: int = 0) -> Cond:
    chance = torch.Generator().manual_seed(seed)
    said = torch.randn(1, 7, width, generator=chance)
    return Cond(said, torch.randn(1, pooled, generator=chance) if pooled else None)


def ours(around: Surroundings, model: Model, conds: tuple[Cond, Cond]) -> Tensor:
    with around.resource(Pool).session() as models:
        network = models.network(model)
        guided = Guided(network, conds[:1], conds[1:], SCALE, rules=model.rules)
        run = Run("ddim", for_run("simple", network.levels, STEPS), SEED)
        *_, last = sample(guided, Latent(torch.zeros(SHAPE)), run)
        assert not models.warnings
        return last.latents * network.latent_format.scale


def theirs(pipeline: Any, conds: tuple[Cond, Cond], **more: Any) -> Tensor:
    pipeline.set_progress_bar_config(disable=True)
    positive, negative = conds
    if positive.pooled is not None and negative.pooled is not None:
        more |= {
            "pooled_prompt_embeds": positive.pooled.expand(SHAPE[0], -1),
            "negative_pooled_prompt_embeds": negative.pooled.expand(SHAPE[0], -1),
        }
    return pipeline(
        prompt_embeds=positive.context.expand(SHAPE[0], -1, -1),
        negative_prompt_embeds=negative.context.expand(SHAPE[0], -1, -1),
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        height=SHAPE[2] * 8,
        width=SHAPE[3] * 8,
        latents=start_noise(SHAPE, SEED),
        output_type="latent",
        **more,
    ).images


def scheduler() -> DDIMScheduler:
    return DDIMScheduler(**TRAINED, timestep_spacing="trailing", clip_sample=False, set_alpha_to_one=True)


def sd1() -> Any:
    nothing: Any = None
    return StableDiffusionPipeline(
        tiny.vae(), nothing, nothing, tiny.unet(), scheduler(), nothing, nothing, clip(LARGE), False
    )


def xl() -> Any:
    unet, nothing = tiny.seeded(CASES["XL"].unet()), None
    vae = tiny.vae()
    vae.register_to_config(scaling_factor=0.13025)
    return StableDiffusionXLPipeline(
        vae, nothing, nothing, nothing, nothing, unet, scheduler(), clip(LARGE), add_watermarker=False
    )


def close(made: Tensor, wanted: Tensor) -> bool:
    return float((made - wanted).abs().max() / wanted.abs().max()) < 1e-4


TEXTS = text(tiny.CONTEXT, 1), text(tiny.CONTEXT, 2)


@pytest.mark.parametrize("kind", ["plain", "plus", "full"])
def test_latents_are_the_pipelines_with_an_adapter(around: Surroundings, kind: str):
    pipeline = sd1()
    pipeline.load_ip_adapter(adapter(kind, pipeline.unet), subfolder=None, weight_name=None)
    pipeline.set_ip_adapter_scale(0.8)
    wanted = theirs(pipeline, TEXTS, ip_adapter_image=[pixels(SEEN)])
    bare = checkpoint(around, "tiny")
    assert close(ours(around, applied(around, bare, kind), TEXTS), wanted)
    assert not close(ours(around, bare, TEXTS), wanted)


def test_several_adapters_count_each_where_its_mask_says(around: Surroundings):
    pipeline = sd1()
    kinds = ["plain", "plus"]
    pipeline.load_ip_adapter(
        [adapter(kind, pipeline.unet) for kind in kinds], subfolder=[None] * 2, weight_name=[None] * 2
    )
    pipeline.set_ip_adapter_scale([0.8, 0.5])
    wanted = theirs(
        pipeline,
        TEXTS,
        ip_adapter_image=[pixels(SEEN[:1]), pixels(SEEN[1:])],
        cross_attention_kwargs={"ip_adapter_masks": [LEFT[None], RIGHT[None]]},
    )
    model = applied(around, checkpoint(around, "tiny"), "plain", image=SEEN[:1], mask=LEFT)
    model = applied(around, model, "plus", image=SEEN[1:], mask=RIGHT, weight=0.5)
    assert close(ours(around, model, TEXTS), wanted)


def test_latents_of_xl_are_its_pipelines_with_style_and_layout_alone(around: Surroundings):
    pipeline = xl()
    pipeline.load_ip_adapter(adapter("plus", pipeline.unet), subfolder=None, weight_name=None)
    pipeline.set_ip_adapter_scale({"up": {"block_0": [0.0, 0.8, 0.0]}, "down": {"block_2": [0.0, 0.8]}})
    config = pipeline.unet.config
    pooled = config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim
    conds = text(config.cross_attention_dim, 1, pooled), text(config.cross_attention_dim, 2, pooled)
    wanted = theirs(pipeline, conds, ip_adapter_image=[pixels(SEEN)])
    model = applied(around, checkpoint(around, "xl"), "xl_plus", weight_type="style and layout (SDXL)")
    assert close(ours(around, model, conds), wanted)


def test_a_file_of_torch_has_the_same_tensors(tmp_path: Path):
    state = adapter("plus", tiny.unet())
    torch.save(state, tmp_path / "plus.bin")
    with (tmp_path / "plus.bin").open("rb") as file:
        assert set(tensors(file)) == set(flat(state))


def test_a_model_with_a_picture_is_kept_bit_for_bit(around: Surroundings):
    model, codec = applied(around, checkpoint(around, "tiny"), "plain", mask=LEFT), ResultCodec()
    again = codec.unpack(codec.pack(model))
    assert torch.equal(again.rules[0].shown, model.rules[0].shown)
    assert torch.equal(again.rules[0].mask, LEFT)


def test_before_its_share_of_the_run_a_picture_does_nothing(around: Surroundings):
    bare = checkpoint(around, "tiny")
    late = applied(around, bare, "plain", start_percent=0.999, end_percent=1.0)
    assert torch.equal(ours(around, late, TEXTS), ours(around, bare, TEXTS))


def test_pictures_may_be_averaged(around: Surroundings):
    bare = checkpoint(around, "tiny")
    alike = applied(around, bare, "full", image=SEEN[:1].expand(3, -1, -1, -1), several="average")
    once = applied(around, bare, "full", image=SEEN[:1])
    torch.testing.assert_close(alike.rules[0].shown, once.rules[0].shown)


def test_what_does_not_fit_is_told(around: Surroundings, tmp_path: Path):
    with pytest.raises(DiffusionError, match="another family of models"):
        ours(around, applied(around, checkpoint(around, "tiny"), "xl_plain"), TEXTS)
    with pytest.raises(DiffusionError, match="names places of Stable Diffusion XL"):
        ours(around, applied(around, checkpoint(around, "tiny"), "plain", weight_type="style (SDXL)"), TEXTS)
    face = {"image_proj.proj.0.weight": torch.zeros(4, 4), "image_proj.proj.2.weight": torch.zeros(4, 4)}
    save_file(face | {"image_proj.norm.weight": torch.ones(4)}, tmp_path / "faceid.safetensors")
    with pytest.raises(DiffusionError, match="FaceID"):
        load_image_prompts(tmp_path / "faceid.safetensors", PLACEMENT)
    wide = flat(adapter("plain", tiny.unet())) | {"image_proj.proj.weight": torch.zeros(256, 20)}
    save_file(wide, around.files.find("ipadapter", "plain.safetensors").with_name("wide.safetensors"))
    with pytest.raises(NodeError, match="20 features"):
        applied(around, checkpoint(around, "tiny"), "wide")
