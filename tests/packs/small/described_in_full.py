"""What a class says of itself: texts, flags, tooltips, options of its inputs."""


class Described:
    """Ten words."""

    INPUT_TYPES = classmethod(
        lambda cls: {
            "required": {
                "text": ("STRING", {"multiline": True, "dynamicPrompts": True, "placeholder": "here"}),
                "count": ("INT", {"default": 1, "min": 0, "max": 9, "step": 2, "display": "slider"}),
                "share": ("FLOAT", {"default": 0.5, "round": 0.01}),
                "on": ("BOOLEAN", {"default": True, "label_on": "yes", "label_off": "no"}),
                "mode": (["x", "y"], {"default": "y", "tooltip": "which"}),
                "many": ("COMBO", {"options": ["p", "q"], "multiselect": True}),
                "file": ("COMBO", {"remote": {"route": "/small/files", "refresh_button": True}}),
            },
            "optional": {"wire": ("INT", {"forceInput": True}), "seed": ("INT", {"control_after_generate": True})},
        }
    )
    RETURN_TYPES = ("INT", "OWN")
    RETURN_NAMES = ("how many", "own")
    OUTPUT_TOOLTIPS = ("counted", "its own")
    FUNCTION = "run"
    CATEGORY = "small/deep"
    DESCRIPTION = "Says what it is."
    DEPRECATED = True
    EXPERIMENTAL = True

    def run(self, **given):
        return (1, None)


NODE_CLASS_MAPPINGS = {"described_in_full": Described}
NODE_DISPLAY_NAME_MAPPINGS = {"described_in_full": "All at once"}
