"""Repaint a drawing in another colour, keeping its shading and whatever does not belong to its body."""

from dataclasses import dataclass

import numpy as np

from nodes.starter.recipe.concepts import Body, Colour

_HUE_FULL, _HUE_NONE = 0.10, 0.15  # distance from the body's hue where paint is full, and where it ends
_HUE_KEPT = 0.8  # share of a drawing's own differences in hue that a repaint keeps


@dataclass(frozen=True, slots=True)
class Anatomy:
    """What of a drawing is its body.

    Attributes:
        hue, saturation, value: of every pixel, shape (size, size), 0 to 1.
        body: how much each pixel belongs to the body, 0 to 1.
        centre: the body's own hue, saturation and value.
    """

    hue: np.ndarray
    saturation: np.ndarray
    value: np.ndarray
    body: np.ndarray
    centre: tuple[float, float, float]


def to_hsv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Hue, saturation and value (0 to 1) of sRGB values (..., 3)."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    top, spread = rgb.max(-1), rgb.max(-1) - rgb.min(-1)
    safe = np.where(spread == 0, 1, spread)
    sector = np.where(
        top == red,
        ((green - blue) / safe) % 6,
        np.where(top == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    return sector / 6, np.where(top == 0, 0, spread / np.where(top == 0, 1, top)), top


def from_hsv(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The inverse of `to_hsv`; hue may lie outside 0 to 1."""
    position = (hue % 1) * 6
    sector = np.floor(position).astype(int) % 6
    part = position - np.floor(position)
    low, down, up = (
        value * (1 - saturation),
        value * (1 - part * saturation),
        value * (1 - (1 - part) * saturation),
    )
    return np.stack(
        [
            np.choose(sector, [value, down, low, low, up, value]),
            np.choose(sector, [up, value, value, down, low, low]),
            np.choose(sector, [low, low, up, value, value, down]),
        ],
        -1,
    )


def unmultiplied(drawing: np.ndarray) -> np.ndarray:
    """Straight sRGB of a premultiplied drawing (size, size, 4)."""
    alpha = drawing[..., 3:]
    return np.where(alpha > 1e-3, drawing[..., :3] / np.maximum(alpha, 1e-3), 0).clip(0, 1)


def anatomy(drawing: np.ndarray, wanted: Body = Body.FOUND) -> Anatomy:
    """Find the body: the leading hue if it covers enough, else the light parts, else all grey parts."""
    hue, saturation, value = to_hsv(unmultiplied(drawing))
    alpha = drawing[..., 3]
    area = alpha.sum()
    vivid = alpha * (saturation > 0.2) * (value > 0.15)
    leading = _leading_hue(hue, vivid * saturation)
    near = np.abs((hue - leading + 0.5) % 1 - 0.5)
    coloured = (vivid * (near < _HUE_FULL)).sum() / area
    light = np.clip((value - 0.55) / 0.12, 0, 1) * np.clip((0.3 - saturation) / 0.1, 0, 1)
    if wanted is Body.VIVID:
        body = np.clip((saturation - 0.25) / 0.12, 0, 1) * np.clip((value - 0.2) / 0.1, 0, 1)
    elif wanted is Body.LIGHT and (light * alpha).sum() / area > 0.12:
        body = light
    elif coloured >= 0.30 or (coloured >= 0.12 and coloured >= (light * alpha).sum() / area):
        body = np.clip((_HUE_NONE - near) / (_HUE_NONE - _HUE_FULL), 0, 1)
        body = body * np.clip((saturation - 0.10) / 0.12, 0, 1) * np.clip((value - 0.12) / 0.1, 0, 1)
    elif (light * alpha).sum() / area > 0.12:
        body = light
    else:
        body = np.clip((0.35 - saturation) / 0.1, 0, 1)
    weight = body * alpha + 1e-9
    return Anatomy(
        hue,
        saturation,
        value,
        body,
        (leading, float(np.average(saturation, weights=weight)), float(np.average(value, weights=weight))),
    )


def repaint(drawing: np.ndarray, parts: Anatomy, colour: Colour) -> np.ndarray:
    """Paint the body of a premultiplied drawing in `colour`; on black, dark details turn light so that they stay visible."""
    target_hue, target_saturation, target_value = colour.hsv
    own_hue, own_saturation, own_value = parts.centre
    neutral = target_saturation < 0.2
    turn = np.where(parts.saturation > 0.12, (parts.hue - own_hue + 0.5) % 1 - 0.5, 0)
    hue = target_hue + (0 if neutral else _HUE_KEPT) * np.clip(turn, -_HUE_FULL, _HUE_FULL)
    if own_saturation > 0.25:
        saturation = target_saturation * parts.saturation / own_saturation
    else:
        saturation = np.full_like(parts.value, target_saturation)
    softness = 0.45 if colour.word == "white" else 0.8
    value = target_value * (parts.value / max(own_value, 0.05)) ** softness
    painted = from_hsv(hue, saturation.clip(0, min(1.0, target_saturation * 1.2 + 0.02)), value.clip(0, 1))
    rgb = unmultiplied(drawing)
    if colour.word == "black":
        dark = np.clip((0.38 - parts.value) / 0.12, 0, 1)[..., None]
        rgb = rgb * (1 - dark) + 0.88 * dark
    mixed = rgb * (1 - parts.body[..., None]) + painted * parts.body[..., None]
    return np.concatenate([mixed * drawing[..., 3:], drawing[..., 3:]], -1)


def is_pale(drawing: np.ndarray) -> bool:
    """Whether a drawing would be hard to see on white: more than 45 % of it is nearly white."""
    _, saturation, value = to_hsv(unmultiplied(drawing))
    alpha = drawing[..., 3]
    return bool((alpha * (value > 0.84) * (saturation < 0.13)).sum() > 0.45 * alpha.sum())


def _leading_hue(hue: np.ndarray, weight: np.ndarray) -> float:
    """The hue (0 to 1) around which most of `weight` lies, to a 36th of the circle."""
    histogram = np.bincount((hue * 36).astype(int).ravel() % 36, weights=weight.ravel(), minlength=36)
    smooth = histogram + np.roll(histogram, 1) + np.roll(histogram, -1)
    return (int(smooth.argmax()) + 0.5) / 36
