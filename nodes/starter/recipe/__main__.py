"""Train the starter model from nothing: `python -m nodes.starter.recipe WORK MODEL`.

Needs npm, the PyPI package resvg-py, and the network for the icon sets alone. A run that was cut off goes on exactly
where it was when the same command is given again.
"""

import argparse
from pathlib import Path

import torch

from nodes.starter.recipe.stages import Work, everything, shipped


def main() -> None:
    """Read the command line and run every stage that is not finished."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder for data and training states (about 1 GB)")
    parser.add_argument(
        "model", type=Path, help="folder to write the finished model to; what it holds is replaced"
    )
    given = parser.parse_args()
    torch.set_num_threads(1)  # with more, sums are taken in another order and the weights differ
    everything(shipped(), Work(given.work), given.model)


if __name__ == "__main__":
    main()
