"""A pass-through wrapper around send_sync: the pack's own events still arrive."""
from server import PromptServer

original = PromptServer.instance.send_sync
SEEN = []


def wrapped(event, data, sid=None):
    SEEN.append(event)
    return original(event, data, sid)


PromptServer.instance.send_sync = wrapped


class Tells:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        PromptServer.instance.send_sync("small.wrapped", {})
        return {"ui": {"said": ["small.wrapped" in SEEN]}}


NODE_CLASS_MAPPINGS = {"send_sync_wrapped": Tells}
