"""`comfy_execution.graph_utils`: builds the graph that a node returns."""

from nodes.compat import current
from nodes.compat.convert import BlockerFace as ExecutionBlocker

__all__ = ["ExecutionBlocker", "GraphBuilder", "Node", "add_graph_prefix", "is_link"]


def is_link(obj):
    return (
        isinstance(obj, list)
        and len(obj) == 2
        and isinstance(obj[0], str)
        and isinstance(obj[1], int | float)
        and not isinstance(obj[1], bool)
    )


class GraphBuilder:
    def __init__(self, prefix=None):
        self.prefix = _next_prefix() if prefix is None else prefix
        self.nodes = {}
        self.id_gen = 1

    def node(self, class_type, id=None, **inputs):
        if id is None:
            id = str(self.id_gen)
            self.id_gen += 1
        id = self.prefix + id
        if id not in self.nodes:
            self.nodes[id] = Node(id, class_type, inputs)
        return self.nodes[id]

    def lookup_node(self, id):
        return self.nodes.get(self.prefix + id)

    def finalize(self):
        return {id: node.serialize() for id, node in self.nodes.items()}

    def replace_node_output(self, node_id, index, new_value):
        target = [self.prefix + node_id, index]
        for node in self.nodes.values():
            for name in [name for name, value in node.inputs.items() if is_link(value) and value == target]:
                node.set_input(name, new_value)

    def remove_node(self, id):
        del self.nodes[self.prefix + id]


class Node:
    def __init__(self, id, class_type, inputs):
        self.id = id
        self.class_type = class_type
        self.inputs = inputs
        self.override_display_id = None

    def out(self, index):
        return [self.id, index]

    def set_input(self, key, value):
        if value is None:
            self.inputs.pop(key, None)
        else:
            self.inputs[key] = value

    def get_input(self, key):
        return self.inputs.get(key)

    def set_override_display_id(self, override_display_id):
        self.override_display_id = override_display_id

    def serialize(self):
        made = {"class_type": self.class_type, "inputs": dict(self.inputs)}
        if self.override_display_id is not None:
            made["override_display_id"] = self.override_display_id
        return made


def add_graph_prefix(graph, outputs, prefix):
    def moved(value):
        return [prefix + value[0], value[1]] if is_link(value) else value

    made = {
        prefix + id: {
            **node,
            "inputs": {name: moved(value) for name, value in node.get("inputs", {}).items()},
        }
        for id, node in graph.items()
    }
    return made, tuple(moved(value) for value in outputs)


def _next_prefix():
    call = current.running()
    if call is None:
        return ""
    call.graphs += 1
    return f"{call.context.node_id}.{call.call}.{call.graphs - 1}."
