"""Small prompts, and waiting for what comes of them."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import aiohttp


def prompt(**nodes: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
    """`prompt(a=("Say", {"text": "x"}), b=("Show", {"value": ["a", 0]}))`."""
    return {id: {"class_type": kind, "inputs": dict(inputs)} for id, (kind, inputs) in nodes.items()}


def shown(text: str) -> dict[str, Any]:
    """A prompt that shows a text."""
    return prompt(a=("Say", {"text": text}), b=("Show", {"value": ["a", 0]}))


async def queue(http: aiohttp.ClientSession, nodes: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Queue a prompt that is taken."""
    async with http.post("/prompt", json={"prompt": nodes, **more}) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def history(http: aiohttp.ClientSession, id: str, seconds: float = 30) -> dict[str, Any]:
    """The entry of a job, once it is over."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        async with http.get(f"/history/{id}") as answer:
            found = await answer.json()
        if found:
            return found[id]
        await asyncio.sleep(0.02)
    raise TimeoutError(id)


async def get(http: aiohttp.ClientSession, path: str, **more: Any) -> Any:
    """The JSON at a path."""
    async with http.get(path, **more) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()
