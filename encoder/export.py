"""Makes the bundle that toolhone loads from a model folder.

python encoder/export.py --model FOLDER --name NAME --base NAME --out FOLDER

`--model` is what encoder/train.py saved, or any sentence-transformers model with mean pooling.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from toolhone.training.export import export_bundle
from toolhone.training.sources import read_parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for option in ("--model", "--out"):
        parser.add_argument(option, type=Path, required=True)
    for option in ("--name", "--base"):
        parser.add_argument(option, required=True)
    options = parser.parse_args()
    recipe = options.model / "recipe.json"
    made = export_bundle(
        read_parts(options.model),
        options.out,
        name=options.name,
        base=options.base,
        training=json.loads(recipe.read_text(encoding="utf-8")) if recipe.is_file() else None,
    )
    print(f"{made.folder}: {made.size / 1e6:.1f} MB, sha256 {made.sha256}")
    print(json.dumps(asdict(made.check), indent=2))


if __name__ == "__main__":
    main()
