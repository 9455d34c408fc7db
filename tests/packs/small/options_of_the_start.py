"""comfy.cli_args.args is read and written."""
from comfy.cli_args import args


class Options:
    INPUT_TYPES = classmethod(lambda cls: {"required": {}})
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self):
        before = args.disable_metadata
        args.disable_metadata = True
        after, args.disable_metadata = args.disable_metadata, before
        said = [args.cpu, before, after, args.highvram, args.preview_method.name, args.verbose]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"options_of_the_start": Options}
