"""comfy-api-simplified, as its users write it: `python simplified.py URL FOLDER`. Says in JSON what came."""

import json
import sys
from pathlib import Path

from comfy_api_simplified import ComfyApiWrapper, ComfyWorkflowWrapper  # pyright: ignore[reportMissingImports]

url, folder = sys.argv[1], Path(sys.argv[2])
api = ComfyApiWrapper(url)
uploaded = api.upload_image(folder / "square.png", subfolder="clients")
workflow = ComfyWorkflowWrapper(str(folder / "prompt.json"))
workflow.set_node_param("Sampler", "seed", 11)
workflow.set_node_param("Positive", "text", "a red apple")
found = api.queue_and_wait_images(workflow, "Save")
for name, content in found.items():
    (folder / f"simplified-{name}").write_bytes(content)
second = api.queue_prompt(workflow)
print(
    json.dumps(
        {
            "uploaded": uploaded,
            "files": [f"simplified-{name}" for name in found],
            "class": list(api.get_object_info("KSampler")),
            "os": api.get_system_stats()["system"]["os"],
            "embeddings": api.get_embeddings(),
            "queue": sorted(api.get_queue()),
            "second": bool(second["prompt_id"]),
            "refused": api.interrupt(),
        }
    )
)
