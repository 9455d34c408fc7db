"""A prompt handler changes what is queued."""
from server import PromptServer


def on_prompt(body):
    for node in body["prompt"].values():
        if node["class_type"] == "sees_each_prompt":
            node["inputs"]["word"] = node["inputs"]["word"] + ", seen"
    return body


PromptServer.instance.add_on_prompt_handler(on_prompt)


class Shows:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"word": ("STRING", {})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, word):
        return {"ui": {"said": [word]}}


NODE_CLASS_MAPPINGS = {"sees_each_prompt": Shows}
