"""An event loop runs while packs are imported: tasks can be made, asyncio.run refuses."""
import asyncio


async def nothing():
    return None


asyncio.get_running_loop().create_task(nothing())
coroutine = nothing()
try:
    asyncio.run(coroutine)
    REFUSED = False
except RuntimeError:
    REFUSED = True
coroutine.close()


class Loop:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": [REFUSED]}}


NODE_CLASS_MAPPINGS = {"loop_runs_at_import": Loop}
