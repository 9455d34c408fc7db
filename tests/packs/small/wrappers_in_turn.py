"""comfy.patcher_extension.WrapperExecutor calls wrappers from the outermost in."""
from comfy.patcher_extension import CallbacksMP, WrapperExecutor, WrappersMP


def named(name):
    def wrapper(executor, value):
        return f"{name}({executor(value)})"

    return wrapper


class Wraps:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        run = WrapperExecutor.new_executor(lambda value: f"<{value}>", [named("a"), named("b")])
        said = [run.execute("x"), WrappersMP.OUTER_SAMPLE, WrappersMP.DIFFUSION_MODEL, CallbacksMP.ON_CLONE]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"wrappers_in_turn": Wraps}
