"""Hidden inputs are meant by their values, whatever their names."""


class Hidden:
    INPUT_TYPES = classmethod(
        lambda cls: {
            "required": {},
            "hidden": {"who": "UNIQUE_ID", "all": "PROMPT", "more": "EXTRA_PNGINFO", "graph": "DYNPROMPT"},
        }
    )
    RETURN_TYPES = ()
    FUNCTION = "run"
    OUTPUT_NODE = True

    def run(self, who, all, more, graph):
        said = [who, all[who]["class_type"], more["workflow"]["id"], graph.get_node(who)["class_type"]]
        return {"ui": {"said": said}}


NODE_CLASS_MAPPINGS = {"hidden_by_value": Hidden}
