"""Types of a pack's own, types by template, one of several: as object_info tells them."""
from comfy_api.latest import io

Own = io.Custom("SMALL_OWN")


@io.comfytype(io_type="SMALL_MADE")
class Made:
    Type = dict

    class Input(io.Input):
        pass

    class Output(io.Output):
        pass


class Node(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        template = io.MatchType.Template("T", [io.Image, io.Mask])
        return io.Schema(
            node_id="v3_types",
            inputs=[
                Own.Input("own", optional=True),
                Made.Input("made", optional=True),
                io.MatchType.Input("same", template, optional=True),
                io.MultiType.Input(io.Int.Input("number", default=1), [io.Float]),
                io.AnyType.Input("any", optional=True),
                io.MultiCombo.Input("many", options=["x", "y"]),
            ],
            outputs=[Own.Output(), io.MatchType.Output(template, display_name="same")],
            search_aliases=["kinds"],
            is_experimental=True,
        )

    @classmethod
    def execute(cls, number, many, own=None, made=None, same=None, any=None):
        return io.NodeOutput(own, same)


NODE_CLASS_MAPPINGS = {"v3_types": Node}
