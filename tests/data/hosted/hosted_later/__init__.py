"""A pack that comes later by name: its handler sees what the first one's made."""

from server import PromptServer

NODE_CLASS_MAPPINGS = {}


class Adds:
    """A handler that is no plain function."""

    def __call__(self, body):
        if "write" in body.get("extra_data", {}).get("do", []):
            body["extra_data"]["seen"].append("second")
        if "late" in body.get("extra_data", {}).get("do", []):
            raise RuntimeError("too late")
        return body


PromptServer.instance.add_on_prompt_handler(Adds())
