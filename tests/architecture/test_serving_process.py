"""The server process never runs a node: it answers, and takes a job to its end, without torch."""

from pathlib import Path

from tests.serving import serving

HEAVY = {"torch", "diffusers", "transformers", "tokenizers", "safetensors", "numpy"}
PROMPT = {
    "1": {"class_type": "SolidMask", "inputs": {"value": 0.5, "width": 64, "height": 64}},
    "2": {"class_type": "MaskToImage", "inputs": {"mask": ["1", 0]}},
    "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
}


def test_a_serving_process_has_no_torch(tmp_path: Path):
    with serving(tmp_path) as server:
        assert "SolidMask" in server.get("/object_info")
        assert server.run(PROMPT)["status"]["status_str"] == "success"
        assert server.imported() & HEAVY == set()
