"""A plain node runs inside a running event loop too."""
import asyncio


class Loop:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        return {"ui": {"said": [asyncio.get_running_loop().is_running()]}}


NODE_CLASS_MAPPINGS = {"loop_runs_at_run": Loop}
