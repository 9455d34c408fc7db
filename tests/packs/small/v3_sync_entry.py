"""The newer form: a plain entrypoint; a coroutine as execute."""
import asyncio

from comfy_api.latest import ComfyExtension, io


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(node_id="v3_sync_entry", inputs=[], outputs=[], is_output_node=True)

    @classmethod
    async def execute(cls):
        await asyncio.sleep(0)
        return io.NodeOutput(ui={"said": ["awaited"]})


class Extension(ComfyExtension):
    async def get_node_list(self):
        return [Node]


def comfy_entrypoint():
    return Extension()
