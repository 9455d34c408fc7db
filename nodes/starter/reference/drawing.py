"""Pictures and curves for the page: the starter model drawn with any sampler, schedule and guidance."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Self

import torch
from PIL import Image

from nodes import starter
from nodes.diffusion.guidance import Guided
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import best_placement
from nodes.diffusion.models.network import LoadedNetwork
from nodes.diffusion.pool import Pool
from nodes.diffusion.sampling import Run, sample
from nodes.diffusion.schedules import SCHEDULES, for_sampler
from nodes.diffusion.vae import PixelCoder, VaeCoder
from nodes.diffusion.values import Clip, Cond, Latent, Model, Vae

PROMPT = "a red apple"
SEED = 1
PLENTY = 2**30  # bytes: the starter model is a fraction of it
QUALITY = 82  # of WebP: no flaw is seen, and 200 pictures stay below a megabyte
LOW = 1.0  # the guidance scale of CFG++ samplers


@dataclass(frozen=True, slots=True)
class Studio:
    """The starter model, loaded, and the prompt, read."""

    network: LoadedNetwork
    vae: VaeCoder | PixelCoder
    positive: Cond
    negative: Cond

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Self]:
        """A studio on the best device that there is."""
        reference = ContentHashes().reference(starter.path())
        with torch.inference_mode(), Pool(best_placement(), PLENTY).session() as session:
            read = [session.encode(Clip(reference), text) for text in (PROMPT, "")]
            positive, negative = (Cond(encoding.context, encoding.pooled) for encoding in read)
            yield cls(session.network(Model(reference)), session.vae(Vae(reference)), positive, negative)

    def picture(self, sampler: str, steps: int, scale: float) -> bytes:
        """A square picture as WebP, always of the same seed.

        Args:
            steps: 1 or more. scale: of guidance.
        """
        side = starter.DEFAULTS.size // 8
        sigmas = for_sampler(starter.DEFAULTS.schedule, sampler, self.network.levels, steps)
        guided = Guided(self.network, (self.positive,), (self.negative,), scale)
        *_, last = sample(guided, Latent(torch.zeros(1, 4, side, side)), Run(sampler, sigmas, SEED))
        pixels = (self.vae.decode(last.latents)[0] * 255).round().clamp(0, 255).to(torch.uint8)
        body = BytesIO()
        Image.fromarray(pixels.cpu().numpy()).save(body, "WEBP", quality=QUALITY, method=4)
        return body.getvalue()

    def curve(self, schedule: str, steps: int) -> list[float]:
        """The sigmas of a schedule, falling, the last 0."""
        return SCHEDULES[schedule](self.network.levels, steps).tolist()


def usual_scale(sampler: str) -> float:
    """The guidance scale that suits a sampler with the starter model."""
    return LOW if "cfg_pp" in sampler else starter.DEFAULTS.guidance_scale
