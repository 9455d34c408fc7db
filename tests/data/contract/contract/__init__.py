"""EXECUTOR.md section 14, attribute by attribute: classes in the first form of the protocol."""

import math

from comfy_execution.graph_utils import ExecutionBlocker, GraphBuilder

WEB_DIRECTORY = "./web"
COUNTED = {"changed": 0}

OPTIONS = {
    "number": ("INT", {"default": 3, "min": 1, "max": 9, "step": 2, "display": "slider", "tooltip": "how many"}),
    "seed": ("INT", {"default": 0, "control_after_generate": True}),
    "share": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.01, "round": 0.001}),
    "text": ("STRING", {"default": "", "multiline": True, "dynamicPrompts": True, "placeholder": "say"}),
    "on": ("BOOLEAN", {"default": True, "label_on": "yes", "label_off": "no"}),
    "choice": (["a", "b"], {"default": "b"}),
    "combo": ("COMBO", {"options": ["c", "d"], "multiselect": True}),
    "far": ("COMBO", {"options": [], "remote": {"route": "/x", "refresh": 0}}),
    "picture": (["cat.png"], {"image_upload": True}),
}
MORE = {
    "wired": ("INT", {"forceInput": True, "defaultInput": True}),
    "later": ("IMAGE", {"lazy": True}),
    "raw": ("IMAGE", {"rawLink": True}),
}


class Everything:
    """All that a class may declare."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": OPTIONS, "optional": MORE, "hidden": {"me": "UNIQUE_ID", "all": "PROMPT"}}

    RETURN_TYPES = ("INT", "STRING", ["x", "y"])
    RETURN_NAMES = ("count", "line")
    OUTPUT_IS_LIST = (False, True, False)
    OUTPUT_TOOLTIPS = ("how many", "one each", "which")
    FUNCTION = "go"
    CATEGORY = "contract/all"
    OUTPUT_NODE = True
    INPUT_IS_LIST = True
    DESCRIPTION = "Says what it is."
    DEPRECATED = True
    EXPERIMENTAL = True
    API_NODE = True
    NOT_IDEMPOTENT = True

    def go(self, **inputs):
        return (1, ["a"], "x")


class Plain:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "go"

    def go(self):
        return (1,)


class Shows:
    """Shows its input, and the text of its hidden ones."""

    @classmethod
    def INPUT_TYPES(cls):
        kinds = ("PROMPT", "DYNPROMPT", "EXTRA_PNGINFO", "UNIQUE_ID", "AUTH_TOKEN_COMFY_ORG", "API_KEY_COMFY_ORG",
                 "EXECUTION_LIST", "COMFY_USAGE_SOURCE")
        return {"required": {"value": ("*",)}, "hidden": {kind.lower(): kind for kind in kinds}}

    RETURN_TYPES = ()
    FUNCTION = "go"
    OUTPUT_NODE = True

    def go(self, value, **hidden):
        return {"ui": {"text": [str(value)], "hidden": [sorted(hidden), hidden["unique_id"]]}}


class Gives:
    """Each way to return."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"how": ("STRING",)}}

    RETURN_TYPES = ("INT", "INT")
    FUNCTION = "go"

    def go(self, how):
        graph = GraphBuilder()
        made = graph.node("ContractPlain")
        return {
            "tuple": (1, 2),
            "list": [1, 2],
            "dict": {"result": (1, 2), "ui": {"text": ["shown"]}},
            "blocker": ExecutionBlocker("closed"),
            "blocked slot": (1, ExecutionBlocker(None)),
            "graph": {"result": (made.out(0), 5), "expand": graph.finalize()},
        }[how]


class Counts:
    """One object per node: its state survives runs."""

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"step": ("INT", {"default": 1})}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "go"
    OUTPUT_NODE = True

    def __init__(self):
        self.count = 0

    @classmethod
    def IS_CHANGED(cls, step):
        return math.nan

    def go(self, step):
        self.count += step
        return {"ui": {"text": [self.count]}, "result": (self.count,)}


class Checks:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"low": ("INT", {"max": 5}), "high": ("INT",)}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "go"
    OUTPUT_NODE = True

    @classmethod
    def VALIDATE_INPUTS(cls, low, high):
        return True if low < high else "low is not below high"

    def go(self, low, high):
        return (low,)


class Chooses:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"first": ("BOOLEAN",)},
                "optional": {"a": ("*", {"lazy": True}), "b": ("*", {"lazy": True})}}

    RETURN_TYPES = ("*",)
    FUNCTION = "go"

    def check_lazy_status(self, first, a=None, b=None):
        return ["a"] if first else ["b"]

    def go(self, first, a=None, b=None):
        return (a if first else b,)


class Fails:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {}}

    RETURN_TYPES = ("INT",)
    FUNCTION = "go"

    def go(self):
        raise ValueError("it does not fit")


class BrokenDescription:
    @classmethod
    def INPUT_TYPES(cls):
        raise RuntimeError("no description today")

    RETURN_TYPES = ()
    FUNCTION = "go"


class NotABuiltin(Plain):
    """A pack cannot take a built-in node's name."""

    CATEGORY = "stolen"


class First(Plain):
    CATEGORY = "first"


NODE_CLASS_MAPPINGS = {
    "ContractEverything": Everything,
    "ContractPlain": Plain,
    "ContractShows": Shows,
    "ContractGives": Gives,
    "ContractCounts": Counts,
    "ContractChecks": Checks,
    "ContractChooses": Chooses,
    "ContractFails": Fails,
    "ContractBroken": BrokenDescription,
    "ContractTwice": First,
    "Show": NotABuiltin,
}
NODE_DISPLAY_NAME_MAPPINGS = {"ContractEverything": "All at once"}
