"""How long a person waits: from starting `weft` to its first answer, to its list of nodes, to the first picture.

Run `python -m tests.bench.start [RUNS]` on a quiet machine. Every run has a workspace of its own, so nothing is remembered;
the operating system's file cache is warm from the second run on, so the first is shown apart.
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from urllib.request import urlopen

from tests.serving import Server, serving


def main(runs: int) -> None:
    """Print one line for each run and the medians of all but the first."""
    print(
        f"{'run':>6} {'answer':>9} {'nodes':>9} {'picture':>9} {'second':>9}   seconds since start, last: that picture alone"
    )
    rows = [once() for _ in range(runs)]
    for index, row in enumerate(rows):
        print(f"{index:>6}", *(f"{value:9.2f}" for value in row))
    if runs > 1:
        print("median", *(f"{median(column):9.2f}" for column in zip(*rows[1:], strict=True)))


def once() -> tuple[float, float, float, float]:
    """Start, ask, draw twice; seconds from the start for the first three, and what the second picture took."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with serving(Path(folder)) as server:
            with urlopen(server.url + "/system_stats", timeout=60) as answer:
                answer.read()
            answered = time.perf_counter() - start
            checkpoint = first_checkpoint(server)
            listed = time.perf_counter() - start
            draw(server, checkpoint, seed=1)
            first = time.perf_counter() - start
            draw(server, checkpoint, seed=2)
            return answered, listed, first, time.perf_counter() - start - first


def first_checkpoint(server: Server) -> str:
    """What `CheckpointLoaderSimple` offers first: the starter model."""
    return server.get("/object_info")["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0][0]


def draw(server: Server, checkpoint: str, seed: int) -> None:
    """One picture of 20 steps, saved."""
    prompt = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a red apple"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ""}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 1}},
        "5": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["2", 0],
                "negative": ["3", 0],
                "latent_image": ["4", 0],
                "seed": seed,
                "steps": 20,
                "cfg": 3.0,
                "sampler_name": "dpmpp_2m",
                "scheduler": "simple",
                "denoise": 1.0,
            },
        },
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "SaveImage", "inputs": {"images": ["6", 0], "filename_prefix": "bench"}},
    }
    ended = server.run(prompt)
    if ended["status"]["status_str"] != "success":
        raise RuntimeError(f"The picture failed: {ended['status']}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4)
