"""`python -m goldsmith.docs [FOLDER]`: writes the pages into the folder that is named, else into `docs`."""

from __future__ import annotations

import sys
from pathlib import Path

from goldsmith.docs import pages


def main() -> None:
    """Write every page."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")
        print(folder / name)


if __name__ == "__main__":
    main()
