"""Sort images: copy every image of a folder into a folder named after its predicted label.

python examples/sort_images.py IMAGES SORTED [MODEL]
"""

import shutil
import sys
from pathlib import Path

from edgekit import Classifier, ImageError


def main() -> None:
    source, target, *model = sys.argv[1:]
    images = sorted(path for path in Path(source).iterdir() if path.is_file())
    with Classifier(*model) as classifier:
        for path, prediction in zip(images, classifier.predict_many(images, top=1), strict=True):
            if isinstance(prediction, ImageError):  # an unreadable image does not stop the others
                print(f"skipped {prediction}", file=sys.stderr)
                continue
            # A label is text from the model file and may contain characters that are unsafe in a folder name.
            name = "".join(c if c.isalnum() or c in " -_" else "_" for c in prediction.label)[:100]
            folder = Path(target, name)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, folder / path.name)
            print(f"{path.name}: {name} ({prediction.probability:.0%})")


if __name__ == "__main__":
    main()
