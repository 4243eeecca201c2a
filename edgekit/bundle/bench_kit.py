"""bench.pyz, the program of a kit that measures models on a device where edgekit is not installed."""

from __future__ import annotations

from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from edgekit.bundle.contents import Bundle, sources
from edgekit.bundle.description import batch_size
from edgekit.bundle.program_modules import program_modules
from edgekit.errors import SpecError
from edgekit.runtime.requirements import installed_version

PROGRAM, REQUIREMENTS = "bench.pyz", "requirements.txt"
_PACKAGES = ("numpy", "onnxruntime")
_PACKAGE = "bench_program"
_MICRO_GRAPHS = "edgekit.bench.micro_graphs.rounds"  # what edgekit itself measures this machine with
_README = """# Measure on a device

bench.pyz times the models of this folder on the device that it is copied to. It needs Python 3.11 or later and the
packages in {requirements}, and sends nothing anywhere.

    python3 -m venv venv && . venv/bin/activate
    pip install --requirement {requirements}
    python {program} > device.json

Close other programs first, and give the device time to cool down. Each model must compute its golden vectors before it
is timed. Small networks follow, whose times tell how long any other network takes on this device, two to three minutes
for each number of threads; --no-micro-graphs leaves them out. On the computer, show what was measured, or find the
network that fits the device:

    edgekit bench --device device.json
    edgekit fit photos/ --latency 5ms --device device.json -o fitted/
"""
_MAIN = f"""import sys

try:
    from {_PACKAGE}.main import script
except ImportError as error:
    sys.exit(f"error: {{error}}; run: pip install --requirement {REQUIREMENTS}")
script()
"""


def write_bench_kit(bundle: Bundle) -> None:
    """Write bench.pyz into a bundle: `python bench.pyz > device.json` measures its models on the device.

    Also writes its requirements.txt and README. The program needs Python, numpy and onnxruntime there; `edgekit bench
    --device` reads what it prints.

    Args:
        bundle: its common contents are written.

    Raises:
        SpecError: the batch size of a model is fixed to another one than 1.
        EdgekitError: the file cannot be written.
    """
    for model in bundle.models:
        batch = batch_size(model.data, name=model.name)
        if batch not in (None, 1):
            raise SpecError(f"{model.name}: a benchmark needs an input of one image (got a batch of {batch})")
    bundle.write(PROGRAM, program())
    bundle.write(REQUIREMENTS, "".join(f"{package}=={installed_version(package)}\n" for package in _PACKAGES))
    bundle.write("README.md", _README.format(requirements=REQUIREMENTS, program=PROGRAM))


def program() -> bytes:
    """The content of bench.pyz; the same bytes from the same sources."""
    content = BytesIO()
    members = {"__main__.py": _MAIN.encode()} | {f"{_PACKAGE}/{name}": data for name, data in sources(_PACKAGE).items()}
    members |= program_modules(_MICRO_GRAPHS)
    with ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(ZipInfo(name), data, ZIP_DEFLATED)  # dated 1980
    return content.getvalue()
