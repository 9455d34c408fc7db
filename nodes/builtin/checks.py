"""What must fit before pictures, masks and latents are put together: told by the names of the inputs, with what to do."""

from torch import Tensor

from nodes.spec import NodeError


def same_family(one: Tensor, other: Tensor, names: tuple[str, str]) -> None:
    """Latents whose sizes alone differ, which can be mended; channels, axes and frames are the family's.

    Raises:
        NodeError: more differs.
    """
    kept = -2 if one.ndim > 3 else None  # sounds are not stretched
    if one.ndim == other.ndim and one.shape[1:kept] == other.shape[1:kept]:
        return
    raise NodeError(
        f"{names[0]} is {list(one.shape)} and {names[1]} {list(other.shape)}: they differ in channels or frames.",
        "Use latents of the same model family and, for videos, of the same length.",
    )


def batches_fit(one: Tensor, other: Tensor, names: tuple[str, str], what: str) -> None:
    """As many on both sides, or a single one on either.

    Raises:
        NodeError: neither.
    """
    if len(one) != len(other) and 1 not in (len(one), len(other)):
        raise NodeError(
            f"{names[0]} holds {len(one)} {what} and {names[1]} {len(other)}.",
            "Give both as many, or one of them a single one.",
        )


def onto_fits(onto: Tensor, source: Tensor, names: tuple[str, str], what: str) -> None:
    """As many of `source`, or a single one.

    Raises:
        NodeError: neither.
    """
    if len(source) not in (1, len(onto)):
        raise NodeError(
            f"{names[0]} holds {len(onto)} {what} and {names[1]} {len(source)}.",
            f"Give {names[1]} as many, or a single one.",
        )


def same_channels(one: Tensor, other: Tensor, names: tuple[str, str]) -> None:
    """Pictures of as many channels, after one that lacks alpha got it.

    Raises:
        NodeError: gray and colour, or others that cannot be mended.
    """
    if one.shape[-1] != other.shape[-1]:
        given = [image.shape[-1] for image in (one, other)]
        raise NodeError(
            f"{names[0]} and {names[1]} do not go together: {given[0]} and {given[1]} channels, an alpha counted.",
            "Give both 3 or 4 channels: Convert Image to Mask and then Convert Mask to Image make gray three channels.",
        )


def has_colours(image: Tensor, name: str) -> None:
    """A picture of 3 channels or more.

    Raises:
        NodeError: it has fewer.
    """
    if image.shape[-1] < 3:
        raise NodeError(
            f"{name} has {image.shape[-1]} channel{'s' if image.shape[-1] > 1 else ''}; three are needed.",
            "Convert Image to Mask and then Convert Mask to Image make gray three channels.",
        )


def from_zero(**offsets: int) -> None:
    """Offsets that widgets keep at 0 and more; a wire may bring others.

    Raises:
        NodeError: one is negative.
    """
    for name, value in offsets.items():
        if value < 0:
            raise NodeError(f"{name} is {value}.", f"Give {name} 0 or more.")


def from_one(**sizes: int) -> None:
    """Sizes that widgets keep at 1 and more; a wire may bring others.

    Raises:
        NodeError: one is less.
    """
    for name, value in sizes.items():
        if value < 1:
            raise NodeError(f"{name} is {value}.", f"Give {name} 1 or more.")


def as_batch(mask: Tensor) -> Tensor:
    """A mask as [batch height width], whatever leading sizes it came with.

    Raises:
        NodeError: it has no height and width.
    """
    if mask.ndim > 1 and not mask.shape[-2] * mask.shape[-1]:
        raise NodeError(
            f"The mask is {mask.shape[-1]} x {mask.shape[-2]}: nothing is left of it.",
            "Look at the node that cut it.",
        )
    if mask.ndim < 2:
        raise NodeError(f"The mask has {mask.ndim} axes.", "Connect a mask: height and width at least.")
    return mask.reshape(-1, mask.shape[-2], mask.shape[-1])
