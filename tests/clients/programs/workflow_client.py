"""comfyui-workflow-client, as its users write it: `python workflow_client.py URL FOLDER`. Says in JSON what came."""

import asyncio
import json
import sys
from pathlib import Path

from comfyuiclient import ComfyUIClient, ComfyUIClientAsync  # pyright: ignore[reportMissingImports]
from PIL import Image

address, folder = sys.argv[1].removeprefix("http://"), Path(sys.argv[2])

client = ComfyUIClient(address, str(folder / "prompt.json"))
client.connect()
client.set_data(key="Sampler", seed=12)
client.set_data(key="Positive", text="a blue fish")
made = client.generate(["Save"])
client.close()
made["Save"].save(folder / "workflow-client.png")

uploading = ComfyUIClient(address, str(folder / "scale.json"))
uploading.connect()
uploading.set_data(key="Load", image=Image.open(folder / "square.png"))
scaled = uploading.generate(["Save"])
uploading.close()
scaled["Save"].save(folder / "workflow-client-scaled.png")


async def later() -> None:
    """The same through its other half."""
    client = ComfyUIClientAsync(address, str(folder / "prompt.json"))
    await client.connect()
    await client.set_data(key="Sampler", seed=13)
    (await client.generate(["Save"]))["Save"].save(folder / "workflow-client-async.png")
    await client.close()


asyncio.run(later())
print(
    json.dumps(
        {
            "files": ["workflow-client.png", "workflow-client-async.png"],
            "scaled": "workflow-client-scaled.png",
        }
    )
)
