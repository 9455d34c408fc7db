"""Colours, emoji and broken bytes on standard output harm nobody."""
import sys

print("\033[92m[odd_output] loaded 🎉\033[0m")
sys.stderr.write("half a line")


class Prints:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        sys.stdout.buffer.write(b"\xff\xfe broken\n")
        print("日本語", flush=True)
        return {"ui": {"said": ["printed"]}}


NODE_CLASS_MAPPINGS = {"odd_output": Prints}
