"""`comfy_execution.graph`."""

from nodes.compat.convert import BlockerFace as ExecutionBlocker

__all__ = ["DynamicPrompt", "ExecutionBlocker"]


class DynamicPrompt:
    """A prompt and what nodes have added to it."""

    def __init__(self, original_prompt):
        self.original_prompt = original_prompt
        self.ephemeral_prompt = {}
        self.ephemeral_parents = {}
        self.ephemeral_display = {}

    def get_node(self, node_id):
        if node_id in self.ephemeral_prompt:
            return self.ephemeral_prompt[node_id]
        if node_id in self.original_prompt:
            return self.original_prompt[node_id]
        raise NodeNotFoundError(f"Node {node_id} not found")

    def has_node(self, node_id):
        return node_id in self.original_prompt or node_id in self.ephemeral_prompt

    def add_ephemeral_node(self, node_id, node_info, parent_id, display_id):
        self.ephemeral_prompt[node_id] = node_info
        self.ephemeral_parents[node_id] = parent_id
        self.ephemeral_display[node_id] = display_id

    def get_real_node_id(self, node_id):
        while node_id in self.ephemeral_parents:
            node_id = self.ephemeral_parents[node_id]
        return node_id

    def get_parent_node_id(self, node_id):
        return self.ephemeral_parents.get(node_id)

    def get_display_node_id(self, node_id):
        while node_id in self.ephemeral_display:
            node_id = self.ephemeral_display[node_id]
        return node_id

    def all_node_ids(self):
        return set(self.original_prompt) | set(self.ephemeral_prompt)

    def get_original_prompt(self):
        return self.original_prompt


class NodeNotFoundError(Exception):
    pass


def get_input_info(class_def, input_name, valid_inputs=None):
    """(type, section, options) of an input of a class; (None, None, None) where it has none of that name."""
    inputs = class_def.INPUT_TYPES() if valid_inputs is None else valid_inputs
    for section in ("required", "optional", "hidden"):
        told = (inputs.get(section) or {}).get(input_name)
        if told is not None:
            listed = told if isinstance(told, list | tuple) else (told,)
            return listed[0], section, listed[1] if len(listed) > 1 else {}
    return None, None, None
