"""A workflow that names a node that is gone runs on with the one that stands in for it."""

from tests.server.api.asking import get, history, prompt, queue


async def test_a_node_that_is_gone_runs_as_the_one_that_stands_in_for_it(http):
    nodes = prompt(a=("OldRepeat", {"string": "ab"}), b=("Show", {"value": ["a", 1]}))
    entry = await history(http, (await queue(http, nodes))["prompt_id"])
    assert entry["outputs"]["b"]["text"] == ["abab"]
    assert entry["prompt"][2]["a"] == {"class_type": "Repeat", "inputs": {"times": 2, "text": "ab"}}


async def test_clients_are_told_what_stands_in_for_what(http):
    assert (await get(http, "/features"))["node_replacements"] is True
    assert await get(http, "/api/node_replacements") == {
        "OldRepeat": [
            {
                "new_node_id": "Repeat",
                "old_node_id": "OldRepeat",
                "old_widget_ids": ["string"],
                "input_mapping": [
                    {"new_id": "text", "old_id": "string"},
                    {"new_id": "times", "set_value": 2},
                ],
                "output_mapping": [{"new_idx": 0, "old_idx": 1}],
            }
        ]
    }
