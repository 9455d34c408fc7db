"""send_sync from a node: the client hears it, with the node that runs."""
from server import PromptServer


class Tells:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"word": ("STRING", {"default": "hi"})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, word):
        instance = PromptServer.instance
        instance.send_sync("small.event", {"word": word, "node": instance.last_node_id}, instance.client_id)
        instance.send_progress_text("half way", instance.last_node_id)
        return {"ui": {"said": [instance.client_id]}}


NODE_CLASS_MAPPINGS = {"tells_the_page": Tells}
