"""A pack may start a thread of its own at import."""
import queue
import threading

asked, told = queue.Queue(), queue.Queue()


def serve():
    while True:
        told.put(asked.get() * 2)


threading.Thread(target=serve, daemon=True).start()


class Ask:
    INPUT_TYPES = classmethod(lambda cls: {"required": {"value": ("INT", {"default": 21})}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, value):
        asked.put(value)
        return {"ui": {"said": [told.get(timeout=10)]}}


NODE_CLASS_MAPPINGS = {"starts_a_thread": Ask}
