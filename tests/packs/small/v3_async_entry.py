"""The newer form: an async entrypoint, and on_load before the list is asked for."""
from comfy_api.latest import ComfyExtension, io

LOADED = []


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="v3_async_entry",
            display_name="Newer",
            category="small",
            inputs=[io.Int.Input("value", default=3, min=0, max=9)],
            outputs=[io.Int.Output(display_name="doubled")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, value):
        return io.NodeOutput(value * 2, ui={"said": [value * 2, *LOADED]})


class Extension(ComfyExtension):
    async def on_load(self):
        LOADED.append("loaded")

    async def get_node_list(self):
        return [Node]


async def comfy_entrypoint():
    return Extension()
