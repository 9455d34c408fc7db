"""Two nodes. A node is a class: what it takes, what it gives, and one method that computes.

A picture on a wire (IMAGE) is a float tensor of shape [batch, height, width, 3] with values from 0 to 1.
A mask (MASK) is a float tensor of shape [batch, height, width], 1 where something is meant.
"""

import re

import torch

COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class Gradient:
    """Makes a picture out of nothing: one colour that fades into another."""

    # What the node takes. A pair is (type, options); a list instead of a type is a menu.
    # "required" inputs must be there, "optional" ones may be missing, and the host itself fills in "hidden" ones.
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "width": ("INT", {"default": 256, "min": 16, "max": 4096, "step": 8}),
                "height": ("INT", {"default": 256, "min": 16, "max": 4096, "step": 8}),
                "start": ("STRING", {"default": "#1f2a44", "tooltip": "The first colour, as #rrggbb."}),
                "end": ("STRING", {"default": "#f2a65a", "tooltip": "The last colour, as #rrggbb."}),
                "direction": (["down", "right"],),
            }
        }

    RETURN_TYPES = ("IMAGE", "MASK")
    RETURN_NAMES = ("image", "ramp")
    FUNCTION = "draw"  # the method's name
    CATEGORY = "example"  # where the node lies in the menu; "a/b" is a menu in a menu
    DESCRIPTION = "One colour that fades into another. The mask runs from 0 to 1 the same way."

    # Asked before a run for values typed into the node: True, or the sentence that the person at the canvas reads.
    # What comes through a wire is None here: nobody knows it yet.
    @classmethod
    def VALIDATE_INPUTS(cls, start, end):
        for name, colour in (("start", start), ("end", end)):
            if colour is not None and not COLOUR.fullmatch(colour):
                return f"{name} is {colour!r}: write a colour as # and six digits, such as #f2a65a."
        return True

    # Called with the inputs by their names. What it returns is a tuple, one entry for each of RETURN_TYPES.
    def draw(self, width, height, start, end, direction):
        ramp = _ramp(height, width) if direction == "down" else _ramp(width, height).T
        share = ramp.unsqueeze(-1)
        picture = _rgb(start) * (1 - share) + _rgb(end) * share
        return picture.unsqueeze(0), ramp.unsqueeze(0)


class Tint:
    """Changes a picture: pulls its colours towards one of them, where a mask says so or everywhere."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "image": ("IMAGE",),
                "colour": ("STRING", {"default": "#ff8800"}),
                "strength": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.05}),
            },
            "optional": {
                "mask": ("MASK",),
            },
        }

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "tint"
    CATEGORY = "example"
    DESCRIPTION = "Pulls the colours of a picture towards one colour and keeps its light and shade."

    @classmethod
    def VALIDATE_INPUTS(cls, colour):
        return (
            True
            if colour is None or COLOUR.fullmatch(colour)
            else f"{colour!r} is no colour: write # and six digits, such as #ff8800."
        )

    def tint(self, image, colour, strength, mask=None):
        if mask is not None and mask.shape[-2:] != image.shape[1:3]:
            # An error's text is what the person at the canvas reads on the node: say what to do.
            raise ValueError(
                f"The mask is {tuple(mask.shape[-2:])}, the picture {tuple(image.shape[1:3])}: scale one of them first."
            )
        # The weights of red, green and blue in what the eye sees as light (ITU-R BT.709).
        light = (image[..., :3] * torch.tensor([0.2126, 0.7152, 0.0722])).sum(-1, keepdim=True)
        share = strength if mask is None else strength * mask.reshape(-1, *image.shape[1:3], 1)
        # Inputs may be cached and used by other nodes: never change a tensor in place.
        tinted = image[..., :3] * (1 - share) + light * _rgb(colour) * share
        return (tinted.clamp(0, 1),)


def _ramp(length, across):
    """0 to 1 over `length` rows, the same in all of `across` columns."""
    return torch.linspace(0, 1, length).unsqueeze(1).expand(length, across)


def _rgb(colour):
    """`#rrggbb` as three numbers from 0 to 1."""
    return torch.tensor([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
