"""The editor's workflow JSON to prompt JSON, without an editor."""

from server.graph.convert.described import read_specs
from server.graph.convert.prompt import workflow_to_prompt
from server.graph.convert.workflow import is_workflow

__all__ = ["is_workflow", "read_specs", "workflow_to_prompt"]
