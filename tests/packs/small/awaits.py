"""A node's function may be a coroutine."""
import asyncio


class Awaits:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    async def run(self):
        first, second = await asyncio.gather(asyncio.sleep(0.01, "a"), asyncio.to_thread(lambda: "b"))
        return {"ui": {"said": [first, second]}}


NODE_CLASS_MAPPINGS = {"awaits": Awaits}
