"""edgekit in a script: copy every image of a folder into a folder named by what is on it.

python examples/sort_images.py IMAGES SORTED [MODEL]
"""

import shutil
import sys
from pathlib import Path

from edgekit import Classifier
from edgekit.runtime.bulk import predict_many


def main() -> None:
    source, target, *model = sys.argv[1:]
    images = sorted(path for path in Path(source).iterdir() if path.is_file())
    with Classifier(*model) as classifier:
        for path, answer in zip(images, predict_many(classifier, images, top=1), strict=True):
            if isinstance(answer, Exception):  # one image that cannot be read does not stop the others
                print(f"left out: {answer}", file=sys.stderr)
                continue
            # A label is text from a model file: it may hold what no folder's name should.
            name = "".join(c if c.isalnum() or c in " -_" else "_" for c in answer.label)[:100]
            folder = Path(target, name)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / path.name)
            print(f"{path.name}: {name} ({answer.probability:.0%})")


if __name__ == "__main__":
    main()
