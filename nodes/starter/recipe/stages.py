"""The recipe's stages, each reading what earlier ones left in the work folder; a finished stage is not done again."""

from dataclasses import dataclass, replace
from pathlib import Path

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

from nodes.starter.recipe import autoencoder, captions, drawings, latents, pack, text, tokenizer, unet
from nodes.starter.recipe.checkpoints import Run
from nodes.starter.recipe.scenes import Scenes


@dataclass(frozen=True, slots=True)
class Phase:
    """Which scenes the U-Net sees up to step `until` (see `Scenes`), and its rates (see `unet.Plan`)."""

    until: int
    plain: bool
    focus: float
    knots: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """All numbers of a training; the U-Net is done at the end of the last of `phases`.

    `decoder_plans` are followed one after the other, each up to the step before it.
    """

    channels: tuple[int, ...]
    text_plan: text.Plan
    whole_plan: autoencoder.Plan
    decoder_plans: tuple[tuple[int, autoencoder.Plan], ...]
    unet_plan: unet.Plan
    phases: tuple[Phase, ...]


def shipped() -> Recipe:
    """The numbers that the shipped model was trained with."""
    slow = ((1200, 1.0), (2600, 0.0))  # the machine was busier than planned, so the end came sooner than this
    return Recipe(
        channels=(24, 48, 96, 128),
        text_plan=text.Plan(steps=500),
        whole_plan=autoencoder.whole_plan(900),
        decoder_plans=((400, autoencoder.decoder_plan(1000)), (540, autoencoder.decoder_plan(540, 0.3))),
        unet_plan=unet.Plan(),
        phases=(
            Phase(450, plain=True, focus=1.0, knots=slow),
            Phase(500, plain=False, focus=1.0, knots=slow),
            Phase(1500, plain=False, focus=2.0, knots=slow),
            Phase(2150, plain=False, focus=2.0, knots=((1500, 11 / 14), (2150, 0.0))),
        ),
    )


@dataclass(frozen=True, slots=True)
class Work:
    """Where the stages keep their results."""

    folder: Path

    def model(self, stage: str) -> Path:
        """The finished model of a stage."""
        return self.folder / stage / "model"

    def latents(self, plain: bool) -> Path:
        """Encoded scenes."""
        return self.folder / ("plain" if plain else "all")


def draw(work: Work) -> None:
    """Fetch the icon sets and draw the training pictures."""
    if not (work.folder / "drawings" / "pale.npy").exists():
        drawings.save(drawings.build(work.folder / "packages"), work.folder / "drawings")


def train_text(recipe: Recipe, work: Work) -> None:
    """Write the tokenizer and train the text encoder."""
    if work.model("text").exists():
        return
    tokenizer.write(captions.known_phrases(), work.folder / "tokenizer")
    scenes = Scenes(drawings.load(work.folder / "drawings"))
    run = Run(work.folder / "text")
    text.train(scenes, tokenizer.read(work.folder / "tokenizer"), recipe.text_plan, run).save_pretrained(
        work.model("text")
    )


def train_autoencoder(recipe: Recipe, work: Work) -> None:
    """Train encoder and decoder together."""
    if work.model("autoencoder").exists():
        return
    model = autoencoder.new(recipe.channels)
    autoencoder.train(
        model, drawings.load(work.folder / "drawings"), recipe.whole_plan, Run(work.folder / "autoencoder")
    )
    model.save_pretrained(work.model("autoencoder"))


def encode(work: Work, plain: bool) -> None:
    """Encode the scenes."""
    if (work.latents(plain) / "places.npy").exists():
        return
    drawn = drawings.load(work.folder / "drawings")
    model = AutoencoderKL.from_pretrained(work.model("autoencoder"))
    latents.save(latents.encode(model, drawn, Scenes(drawn, plain=plain).kept), work.latents(plain))


def train_unet(recipe: Recipe, work: Work, stop_at: int | None = None) -> None:
    """Train the U-Net, first on plain scenes; `stop_at` cuts this call short."""
    if work.model("unet").exists():
        return
    encoder = CLIPTextModel.from_pretrained(work.model("text"))
    words = tokenizer.read(work.folder / "tokenizer")
    drawn = drawings.load(work.folder / "drawings")
    model = unet.new(recipe.text_plan.width)
    last = recipe.phases[-1].until if stop_at is None else stop_at
    for phase in recipe.phases:
        run = Run(work.folder / "unet", stop_at=min(phase.until, last))
        scenes = Scenes(drawn, plain=phase.plain, focus=phase.focus)
        encoded = latents.load(work.latents(phase.plain))
        unet.train(model, encoder, words, scenes, encoded, replace(recipe.unet_plan, knots=phase.knots), run)
    if last == recipe.phases[-1].until:
        model.save_pretrained(work.model("unet"))


def train_decoder(recipe: Recipe, work: Work) -> None:
    """Sharpen the decoder; latents, and so the U-Net, stay valid. It may run beside the U-Net."""
    if work.model("decoder").exists():
        return
    model = AutoencoderKL.from_pretrained(work.model("autoencoder"))
    drawn = drawings.load(work.folder / "drawings")
    for until, plan in recipe.decoder_plans:
        autoencoder.train(model, drawn, plan, Run(work.folder / "decoder", stop_at=until))
    model.save_pretrained(work.model("decoder"))


def write_model(work: Work, folder: Path) -> None:
    """Pack the parts into a diffusers folder."""
    pack.write(
        UNet2DConditionModel.from_pretrained(work.model("unet")),
        AutoencoderKL.from_pretrained(work.model("decoder")),
        CLIPTextModel.from_pretrained(work.model("text")),
        work.folder / "tokenizer",
        folder,
    )


def everything(recipe: Recipe, work: Work, folder: Path) -> None:
    """All stages in order, leaving the model in `folder`."""
    draw(work)
    train_text(recipe, work)
    train_autoencoder(recipe, work)
    encode(work, plain=True)
    encode(work, plain=False)
    train_unet(recipe, work)
    train_decoder(recipe, work)
    write_model(work, folder)
