"""What packs read and write on PromptServer.instance."""
import server
from server import BinaryEventTypes, PromptServer

instance = PromptServer.instance
instance.a_word_of_a_small_pack = "kept"
instance.supports.append("small_packs")


class Face:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        queue = instance.prompt_queue
        running, _pending = queue.get_current_queue()
        said = [
            instance is PromptServer.instance,
            instance.a_word_of_a_small_pack,
            "small_packs" in instance.supports,
            isinstance(instance.number, int),
            len(running),
            queue.get_tasks_remaining(),
            running[0][1] == instance.last_prompt_id,
            isinstance(queue.get_history(), dict),
            server.web.__name__,
            int(BinaryEventTypes.PREVIEW_IMAGE),
            instance.get_queue_info()["exec_info"]["queue_remaining"],
        ]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"server_face": Face}
