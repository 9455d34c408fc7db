"""Nodes with schemas: every kind of input that brings others, hidden values, lazy inputs, graphs, blockers."""

import torch
from comfy_api.latest import IO, UI, ComfyExtension, Input, InputImpl, Types, io, ui
from comfy_execution.graph_utils import GraphBuilder

NUMBERS = io.Autogrow.TemplatePrefix(io.Int.Input("number", default=0), "n", min=2, max=5)
SAME = io.MatchType.Template("same", [io.Image, io.Mask])
LOADED = []


class Everything(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="NewerEverything",
            display_name="All at once",
            category="newer/all",
            description="Says what it is.",
            search_aliases=["everything"],
            inputs=[
                io.Image.Input("image", tooltip="which"),
                io.Int.Input("steps", default=3, min=1, max=9, step=2, display_mode=io.NumberDisplay.slider),
                io.Float.Input("share", default=0.5, round=0.01, optional=True),
                io.String.Input("text", multiline=True, dynamic_prompts=True, default=""),
                io.Boolean.Input("on", default=True, label_on="yes", label_off="no"),
                io.Combo.Input("mode", options=["a", "b"], default="b"),
                io.MultiCombo.Input("many", options=["x", "y"], chip=True, optional=True),
                io.MultiType.Input("either", [io.Image, io.Mask], optional=True),
                io.MultiType.Input(io.Int.Input("whole", default=1, optional=True), [io.Float]),
                io.MatchType.Input("same", SAME, optional=True),
                io.Custom("OWN").Input("own", optional=True, lazy=True),
                io.Color.Input("colour", optional=True),
            ],
            outputs=[
                io.Int.Output("count", display_name="how many", tooltip="counted"),
                io.MatchType.Output(SAME, display_name="same"),
                io.String.Output(is_output_list=True),
            ],
            is_experimental=True,
            not_idempotent=True,
        )

    @classmethod
    def execute(cls, **inputs):
        return io.NodeOutput(len(inputs), None, sorted(inputs))


class Brings(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        option = io.DynamicCombo.Option
        how = [
            option("by size", [io.Int.Input("width", min=1), io.Combo.Input("crop", options=["no", "center"])]),
            option("numbers", [io.Autogrow.Input("of", NUMBERS)]),
        ]
        return io.Schema(
            node_id="NewerBrings",
            inputs=[io.DynamicCombo.Input("how", how), io.Autogrow.Input("numbers", NUMBERS)],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, how):
        return "too thin" if how.get("width") == 13 else True

    @classmethod
    def execute(cls, how, numbers):
        return io.NodeOutput(ui=ui.PreviewText(repr((how, numbers))))


class Hides(io.ComfyNode):
    """Has an input with the name of a hidden one, which output nodes always get."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="NewerHides",
            inputs=[io.String.Input("prompt")],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, prompt):
        hidden = cls.hidden
        told = [prompt, hidden.unique_id, sorted(hidden.prompt), hidden.extra_pnginfo, hidden.api_key_comfy_org]
        return {"ui": {"text": told}}


class Waits(io.ComfyNode):
    COUNTED = 0

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="NewerWaits",
            inputs=[io.Boolean.Input("first"), io.AnyType.Input("a", lazy=True), io.AnyType.Input("b", lazy=True)],
            outputs=[io.AnyType.Output()],
            hidden=[io.Hidden.unique_id],
        )

    @classmethod
    def check_lazy_status(cls, first, a=None, b=None):
        assert cls.hidden.unique_id == "wait"
        return ["a"] if first else ["b"]

    @classmethod
    def fingerprint_inputs(cls, **inputs):
        Waits.COUNTED += 1
        return Waits.COUNTED

    @classmethod
    async def execute(cls, first, a, b):
        return io.NodeOutput(f"{a if first else b}, {Waits.COUNTED > 0}")


class Becomes(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return IO.Schema(
            node_id="NewerBecomes",
            inputs=[io.String.Input("what")],
            outputs=[io.AnyType.Output()],
            enable_expand=True,
        )

    @classmethod
    def execute(cls, what):
        if what == "blocked":
            return io.NodeOutput(block_execution="nothing here")
        if what == "nothing":
            return None
        if what == "wrong":
            return [1]
        graph = GraphBuilder()
        made = graph.node("NewerGives", value=what)
        return io.NodeOutput(made.out(0), expand=graph.finalize())


class Gives(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="NewerGives", inputs=[io.String.Input("value")], outputs=[io.String.Output()])

    @classmethod
    def execute(cls, value):
        return (f"given {value}",)


class Draws(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="NewerDraws", is_output_node=True)

    @classmethod
    def execute(cls):
        return io.NodeOutput(ui=ui.PreviewImage(torch.zeros(2, 8, 16, 3), cls=cls))


class Broken(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="NewerBroken", inputs=[io.Int.Input("a"), io.Float.Input("a")])


class Films(io.ComfyNode):
    """Gives a film of one picture."""

    @classmethod
    def define_schema(cls):
        kinds = io.Combo.Input("container", options=Types.VideoContainer, default=Types.VideoContainer.MP4)
        return io.Schema(node_id="NewerFilms", inputs=[kinds], outputs=[io.Video.Output()])

    @classmethod
    def execute(cls, container) -> Input.Video:
        assert UI is ui
        parts = Types.VideoComponents(images=torch.zeros(1, 8, 8, 3), frame_rate=24)
        return io.NodeOutput(InputImpl.VideoFromComponents(parts))


class Extension(ComfyExtension):
    async def on_load(self):
        LOADED.append(True)

    async def get_node_list(self):
        assert LOADED
        return [Everything, Brings, Hides, Waits, Becomes, Gives, Draws, Films, Broken]


async def comfy_entrypoint():
    return Extension()
