"""The list of stand-ins for people: `python -m nodes.compat.standing_page > nodes/compat/STAND_INS.md`."""

import sys

from nodes.compat.install import install_names
from nodes.compat.standing import StandIn
from nodes.compat.standing_table import OPEN, TABLE


def page() -> str:
    """The list for people, in Markdown."""
    install_names()
    lines = [
        "# Names that packs find here and cannot use",
        "",
        "They can be imported and derived from. A node that uses one fails with an error that names it and the pack.",
        f"Of modules below {', '.join(f'`{one}`' for one in OPEN)} any name can be imported.",
        "Written by `python -m nodes.compat.standing_page > nodes/compat/STAND_INS.md`.",
        "",
        "| module | names |",
        "|---|---|",
    ]
    for name in sorted(TABLE):
        found = vars(sys.modules[name])
        missing = [each for each in TABLE[name].split() if isinstance(found.get(each), StandIn)]
        if missing:
            lines.append(f"| {name} | {', '.join(sorted(missing))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
