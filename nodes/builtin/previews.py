"""Previews of what a sampler has so far: by the family's linear map, or by a small decoder if there is one."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import torch
from torch import Tensor

from nodes.builtin.picture_files import jpeg
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.latent_formats import LatentFormat
from nodes.diffusion.models.conversion import Conversions
from nodes.diffusion.preview import colours, first_frame
from nodes.diffusion.small_decoder import SmallDecoder, load_small_decoder
from nodes.spec import Context, Files, Preview

SIDE = 512  # pixels at most
FOLDER = "vae_approx"
ASKED = "preview_method"  # what a job says for itself


class Method(StrEnum):
    """How previews are made. AUTO takes the linear map, which costs nothing, and a small decoder where there is no map."""

    AUTO = "auto"
    LINEAR = "latent2rgb"
    SMALL_DECODER = "taesd"


@dataclass(slots=True, eq=False)
class Previews:
    """The worker's one maker of previews; keeps the small decoders that it has loaded.

    Attributes:
        files: the workspace; small decoders lie in its `models/vae_approx`.
        device: where small decoders compute.
        method: for jobs that do not say themselves.
        conversions: make files safe that could run code; None: they are refused.
    """

    files: Files
    device: torch.device
    method: Method = Method.AUTO
    conversions: Conversions | None = None
    loaded: dict[Path, SmallDecoder | str] = field(default_factory=dict[Path, SmallDecoder | str])

    def picture(self, latents: Tensor, form: LatentFormat, asked: str) -> tuple[Tensor | None, str]:
        """A preview [batch height width 3] of latents at the VAE's scale, and what to say to the person, if anything.

        Args:
            asked: a method by name; any other word means the server's own.
        """
        method = Method(asked) if asked in set(Method) else self.method
        if method is Method.SMALL_DECODER or (method is Method.AUTO and form.preview is None):
            decoder = self._decoder(form)
            if isinstance(decoder, SmallDecoder):
                return decoder.decode(form.to_model(first_frame(latents).float())), ""
            if method is Method.SMALL_DECODER:
                return colours(latents, form), decoder
        return colours(latents, form), ""

    def _decoder(self, form: LatentFormat) -> SmallDecoder | str:
        """The family's small decoder, or why there is none."""
        path = self._path(form)
        if path is None:
            name = form.small_decoder or "for this model's family"
            return f"There is no small decoder {name} in models/{FOLDER}: previews are made by a linear map."
        if path not in self.loaded:
            try:
                safe = path if self.conversions is None else self.conversions.safe(path)
                decoder = load_small_decoder(safe, self.device)
                fits = decoder.channels == form.channels
                self.loaded[path] = (
                    decoder if fits else f"{path.name} is for latents of {decoder.channels} channels."
                )
            except DiffusionError as error:
                self.loaded[path] = str(error)
        return self.loaded[path]

    def _path(self, form: LatentFormat) -> Path | None:
        names: Sequence[str] = self.files.choices(FOLDER) if form.small_decoder else ()
        found = sorted(name for name in names if Path(name).name.startswith(form.small_decoder))
        found.sort(key=lambda name: not name.endswith(".safetensors"))  # the others are converted first
        return self.files.find(FOLDER, found[0]) if found else None


def preview(ctx: Context, latents: Tensor, form: LatentFormat) -> Preview | None:
    """What a sampler shows after a step, or None: nobody looks, or the latents cannot be shown."""
    if not ctx.previews:
        return None
    try:
        previews = ctx.resource(Previews)
    except LookupError:  # a worker without one
        picture, said = colours(latents[:1], form), ""
    else:
        picture, said = previews.picture(latents[:1], form, str(ctx.extra.get(ASKED, "")))
    if said:
        ctx.say(said)
    return None if picture is None else Preview(jpeg(picture[0], SIDE))
