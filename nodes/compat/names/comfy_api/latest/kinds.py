"""`comfy_api.latest.io`: the kinds of values. A class each, with the `Input` and `Output` of that kind.

Those that have nothing of their own are in `PLAIN`.
"""

from enum import Enum
from typing import Any

from nodes.compat.names.comfy_api.latest.inputs import Input, Output, Type, WidgetInput, sections
from nodes.compat.names.comfy_api.latest.options import said

ComfyTypeI = ComfyTypeIO = Type  # what packs derive their own kinds from
SOCKETS = {
    "Image": "IMAGE", "Mask": "MASK", "Latent": "LATENT", "Conditioning": "CONDITIONING", "Model": "MODEL", "Clip": "CLIP",
    "Vae": "VAE", "ControlNet": "CONTROL_NET", "ClipVision": "CLIP_VISION", "ClipVisionOutput": "CLIP_VISION_OUTPUT",
    "StyleModel": "STYLE_MODEL", "Gligen": "GLIGEN", "UpscaleModel": "UPSCALE_MODEL",
    "LatentUpscaleModel": "LATENT_UPSCALE_MODEL", "Sampler": "SAMPLER", "Sigmas": "SIGMAS", "Noise": "NOISE",
    "Guider": "GUIDER", "Audio": "AUDIO", "Video": "VIDEO", "Hooks": "HOOKS", "HookKeyframes": "HOOK_KEYFRAMES",
    "LoraModel": "LORA_MODEL", "LossMap": "LOSS_MAP", "ModelPatch": "MODEL_PATCH", "AudioEncoder": "AUDIO_ENCODER",
    "AudioEncoderOutput": "AUDIO_ENCODER_OUTPUT", "TimestepsRange": "TIMESTEPS_RANGE",
    "LatentOperation": "LATENT_OPERATION", "Tracks": "TRACKS", "Dict": "DICT", "Array": "ARRAY", "SVG": "SVG",
    "Mesh": "MESH", "Voxel": "VOXEL", "Splat": "SPLAT", "Load3D": "LOAD_3D", "Load3DAnimation": "LOAD_3D_ANIMATION",
    "Photomaker": "PHOTOMAKER", "BBOX": "BBOX", "SEGS": "SEGS", "Point": "POINT", "FaceAnalysis": "FACE_ANALYSIS",
    "File3DAny": "FILE_3D", "AnyType": "*",
}  # fmt: skip
WIDGETS = {
    "Color": ("COLOR", "#ffffff"), "BoundingBox": ("BOUNDING_BOX", None), "BoundingBoxes": ("BOUNDING_BOXES", None),
    "Colors": ("COLORS", None), "Curve": ("CURVE", None), "Range": ("RANGE", None), "Webcam": ("WEBCAM", None),
    "ImageCompare": ("IMAGECOMPARE", None),
}  # fmt: skip


def comfytype(io_type, **_more):
    """Make a class a kind of value; where it has no `Input` or `Output` of its own, it gets plain ones."""

    def decorate(made):
        made.io_type = io_type
        for part, plain in (("Input", Input), ("Output", Output)):
            own = made.__dict__.get(part, plain)
            setattr(made, part, type(part, (own,), {"io_type": io_type}))
        if not hasattr(made, "Type"):
            made.Type = Any
        return made

    return decorate


def Custom(io_type):
    """A kind of the pack's own."""
    return comfytype(io_type)(type(str(io_type), (Type,), {}))


class _Number(WidgetInput):
    def __init__(
        self,
        id,
        display_name=None,
        optional=False,
        tooltip=None,
        lazy=None,
        default=None,
        min=None,
        max=None,
        step=None,
        *,
        round=None,
        control_after_generate=None,
        display_mode=None,
        gradient_stops=None,
        **more,
    ):
        super().__init__(id, display_name, optional, tooltip, lazy, default, **more)
        self.said = said(
            min=min,
            max=max,
            step=step,
            round=round,
            control_after_generate=control_after_generate,
            display=display_mode,
            gradient_stops=gradient_stops,
        )

    def options(self):
        return super().options() | self.said


@comfytype("INT")
class Int(Type):
    Type = int

    class Input(_Number):
        """A whole number."""


@comfytype("FLOAT")
class Float(Type):
    Type = float

    class Input(_Number):
        """A number."""


@comfytype("STRING")
class String(Type):
    Type = str

    class Input(WidgetInput):
        def __init__(
            self,
            id,
            display_name=None,
            optional=False,
            tooltip=None,
            lazy=None,
            multiline=False,
            placeholder=None,
            default=None,
            dynamic_prompts=None,
            **more,
        ):
            super().__init__(id, display_name, optional, tooltip, lazy, default, **more)
            self.said = said(multiline=multiline, placeholder=placeholder, dynamicPrompts=dynamic_prompts)

        def options(self):
            return super().options() | self.said


@comfytype("BOOLEAN")
class Boolean(Type):
    Type = bool

    class Input(WidgetInput):
        def __init__(
            self,
            id,
            display_name=None,
            optional=False,
            tooltip=None,
            lazy=None,
            default=None,
            label_on=None,
            label_off=None,
            **more,
        ):
            super().__init__(id, display_name, optional, tooltip, lazy, default, **more)
            self.said = said(label_on=label_on, label_off=label_off)

        def options(self):
            return super().options() | self.said


@comfytype("COMBO")
class Combo(Type):
    Type = str

    class Input(WidgetInput):
        multiselect = False

        def __init__(
            self,
            id,
            options: Any = None,
            display_name=None,
            optional=False,
            tooltip=None,
            lazy=None,
            default=None,
            control_after_generate=None,
            upload=None,
            image_folder=None,
            remote=None,
            **more,
        ):
            default = default.value if isinstance(default, Enum) else default
            super().__init__(id, display_name, optional, tooltip, lazy, default, **more)
            values = None if options is None else [getattr(entry, "value", entry) for entry in options]
            self.said = said(
                multiselect=self.multiselect,
                options=values,
                control_after_generate=control_after_generate,
                image_folder=image_folder,
                remote=remote.as_dict() if remote is not None else None,
            )
            if upload is not None:
                self.said[getattr(upload, "value", upload)] = True

        def options(self):
            return super().options() | self.said

    class Output(Output):
        def __init__(self, id=None, display_name=None, options=None, tooltip=None, is_output_list=False):
            super().__init__(id, display_name, tooltip, is_output_list)
            self.options = options

        def get_io_type(self):
            return "COMBO" if self.options is None else list(self.options)


@comfytype("COMBO")
class MultiCombo(Type):
    Type = list

    class Input(Combo.Input):
        multiselect = True

        def __init__(self, id, options=None, *args, placeholder=None, chip=None, **more):
            super().__init__(id, options, *args, **more)
            self.said["multi_select"] = said(placeholder=placeholder, chip=chip)


class MultiType:
    Type = Any
    io_type = "COMFY_MULTITYPED_V3"

    class Input(Input):
        """Takes values of several kinds; of an `Input` it has the widget."""

        def __init__(self, id, types, display_name=None, optional=False, tooltip=None, *args, **more):
            self.widget = id if isinstance(id, Input) else None
            name = self.widget.id if self.widget else id
            optional = self.widget.optional if self.widget else optional
            super().__init__(name, display_name, optional, tooltip, *args, **more)
            first = [self.widget.get_io_type()] if self.widget else []
            self.io_type = ",".join(dict.fromkeys([*first, *(kind.io_type for kind in types)]))

        def options(self):
            if self.widget is None:
                return {}
            return self.widget.as_dict() | {"widgetType": self.widget.get_io_type()}


class MatchType:
    Type = Any
    io_type = "COMFY_MATCHTYPE_V3"

    class Template:
        """Inputs and outputs of one template are of one kind."""

        def __init__(self, template_id, allowed_types=None):
            allowed = allowed_types if isinstance(allowed_types, list | tuple) else [allowed_types]
            self.template_id = template_id
            self.allowed_types = ",".join(getattr(kind, "io_type", "*") for kind in allowed)

        def as_dict(self):
            return {"template_id": self.template_id, "allowed_types": self.allowed_types}

    class Input(Input):
        io_type = "COMFY_MATCHTYPE_V3"

        def __init__(self, id, template, *args, **more):
            super().__init__(id, *args, **more)
            self.template = template

        def options(self):
            return {"template": self.template.as_dict()}

    class Output(Output):
        io_type = "COMFY_MATCHTYPE_V3"

        def __init__(self, template, *args, **more):
            super().__init__(*args, **more)
            self.template = template


class Autogrow:
    """As many inputs of one kind as are linked; the node receives them in a dict."""

    Type = dict
    io_type = "COMFY_AUTOGROW_V3"

    class TemplatePrefix:
        def __init__(self, input, prefix, min=1, max=10):
            self.input, self.said = input, {"prefix": prefix, "min": min, "max": max}

        def as_dict(self):
            return {"input": sections([self.input]), **self.said}

    class TemplateNames(TemplatePrefix):
        def __init__(self, input, names, min=1):
            self.input, self.said = input, {"names": list(names), "min": min}

    class Input(Input):
        io_type = "COMFY_AUTOGROW_V3"

        def __init__(self, id, template, *args, **more):
            super().__init__(id, *args, **more)
            self.template = template

        def options(self):
            return {"template": self.template.as_dict()}


class DynamicCombo:
    """A choice that decides which inputs follow; the node receives all in a dict."""

    Type = dict
    io_type = "COMFY_DYNAMICCOMBO_V3"

    class Option:
        def __init__(self, key, inputs):
            self.key, self.inputs = key, inputs

        def as_dict(self):
            return {"key": self.key, "inputs": sections(self.inputs)}

    class Input(Input):
        io_type = "COMFY_DYNAMICCOMBO_V3"

        def __init__(self, id, options, *args, **more):
            super().__init__(id, *args, **more)
            self.choices = options

        def options(self):
            return {"options": [option.as_dict() for option in self.choices]}


def _widget(io_type, default):
    class Input(WidgetInput):
        def __init__(self, id, *args, **more):
            super().__init__(id, *args, **{"socketless": True, **more})
            self.default = default if self.default is None else self.default

    return comfytype(io_type)(type(io_type, (Type,), {"Input": Input}))


PLAIN = {name: Custom(kind) for name, kind in SOCKETS.items()}
PLAIN |= {name: _widget(*widget) for name, widget in WIDGETS.items()}
