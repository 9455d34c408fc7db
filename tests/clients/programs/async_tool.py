"""comfyui-async-api-tool, as its users write it: `python async_tool.py URL FOLDER`. Says in JSON what came."""

import asyncio
import json
import sys
from pathlib import Path

import aiohttp
from comfyui_async_api_tool import ComfyClient, WorkflowJson  # pyright: ignore[reportMissingImports]

url, folder = sys.argv[1], Path(sys.argv[2])


async def main() -> None:
    """Upload, run with other values, hear how it goes, keep the picture."""
    workflow = json.loads((folder / "prompt.json").read_text())
    WorkflowJson().validate_workflow_json(workflow)
    events = []
    async with aiohttp.ClientSession() as session:
        client = ComfyClient(session, servers=[url])
        uploaded = await client.upload_image(url, str(folder / "square.png"))
        async for event in client.run(workflow, values={"5": {"seed": 14, "steps": 8}}):
            if event["type"] == "image":
                (folder / "async-tool.png").write_bytes(event["data"])
            events.append({key: event[key] for key in event if event["type"] != "image" or key == "type"})
    print(json.dumps({"uploaded": uploaded, "events": events, "files": ["async-tool.png"]}))


asyncio.run(main())
