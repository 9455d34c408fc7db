"""What nodes for videos that begin with a picture have in common: frames encoded, put into latents, and masked."""

from collections.abc import Mapping

from torch import Tensor

from nodes.builtin.kinds import AnyVae
from nodes.builtin.models import models
from nodes.builtin.vae import there
from nodes.diffusion.pictures.layout import resized
from nodes.diffusion.values import Cond, Conditioning, Image
from nodes.spec import Context, NodeError


def encoded_at(ctx: Context, vae: AnyVae, image: Image, width: int, height: int) -> Tensor:
    """Frames as the VAE encodes them, at a size in pixels."""
    planes = image[..., :3]
    if planes.shape[1:3] != (height, width):
        planes = resized(planes, width, height, "bilinear", "center")
    with models(ctx) as loaded:
        return loaded.vae(there(vae)).encode_video(planes, ctx.say)


def begun(samples: Tensor, shown: Tensor) -> Tensor:
    """A video's latents with others in their first frames.

    Raises:
        NodeError: the VAE that made the others is not of the video's family.
    """
    video = as_video(shown)
    if video.shape[1] != samples.shape[1] or video.shape[-2:] != samples.shape[-2:]:
        want, have = tuple(samples.shape[1:]), tuple(video.shape[1:])
        raise NodeError(
            f"The VAE gives {have[0]} channels of {have[2]} x {have[3]} latents; this video has {want[0]} of "
            f"{want[2]} x {want[3]}.",
            "Connect the VAE of the model that makes the video.",
        )
    made = samples.clone()
    made[:, :, : video.shape[2]] = video[:, :, : samples.shape[2]]
    return made


def as_video(shown: Tensor) -> Tensor:
    """Latents of single pictures as the frames of one video."""
    return shown if shown.ndim == 5 else shown.movedim(0, 1)[None]


def frame_count(shown: Tensor) -> int:
    """How many frames of latents there are."""
    return as_video(shown).shape[2]


def first_frames(samples: Tensor, count: int) -> Tensor:
    """A mask [1 1 frame height width]: 0 for the latent frames that so many pictures fill."""
    mask = samples.new_ones(1, 1, *samples.shape[2:])
    mask[:, :, : (count - 1) // 4 + 1] = 0.0
    return mask


def with_entries(conditioning: Conditioning, entries: Mapping[str, object]) -> Conditioning:
    """With further entries on every condition."""
    return tuple(cond.with_extra(entries) for cond in conditioning)


def with_appended(conditioning: Conditioning, entries: Mapping[str, list[object]]) -> Conditioning:
    """With further items at the end of lists that conditions carry."""

    def longer(cond: Cond) -> Cond:
        before = {name: cond.extra.get(name) for name in entries}
        lists = {
            name: [*(had if isinstance(had, list) else []), *entries[name]] for name, had in before.items()
        }
        return cond.with_extra(lists)

    return tuple(longer(cond) for cond in conditioning)
