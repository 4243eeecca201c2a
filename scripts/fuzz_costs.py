"""Attack the limit on what one node of a model may cost, and check that it refuses no real network.

    python scripts/fuzz_costs.py costly                         operators that would run for minutes: all refused
    python scripts/fuzz_costs.py mutants [--count 2000] [--seed 1]
    python scripts/fuzz_costs.py units                          predicted and measured time of smaller nodes
    python scripts/fuzz_costs.py networks [MODEL ...]           the zoo at its native sizes, built-in and other models

Prints one line per problem and a summary; exits with status 1 if there is a problem. `mutants` accepts no other error
than ArtifactError and no scan of more than 5 s. `units` fails for a node that takes longer than predicted (a unit is a
nanosecond) in CPU time: raise its units in edgekit/artifact/guard/operators.py then.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import onnxruntime as ort

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "made"))

from made_costs import costly_nodes, smaller_nodes, unpredictable_nodes, without_weights  # noqa: E402
from made_mutants import mutants  # noqa: E402

from edgekit.artifact.guard.model_limits import ModelLimits  # noqa: E402
from edgekit.artifact.guard.scan import check_model  # noqa: E402
from edgekit.artifact.info import ArtifactInfo  # noqa: E402
from edgekit.errors import ArtifactError  # noqa: E402
from edgekit.export.from_torch import from_torch  # noqa: E402
from edgekit.zoo.build import build  # noqa: E402
from edgekit.zoo.specs import SPECS  # noqa: E402

MAX_SCAN_S = 5.0
UNITS = 500_000_000  # of a node that is measured: half a second at most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("costly", "mutants", "units", "networks"))
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    checks: dict[str, Callable[[], Iterator[str | None]]] = {
        "costly": costly,
        "mutants": lambda: mutated(options.count, options.seed),
        "units": units,
        "networks": lambda: networks(options.models),
    }
    outcomes = []
    for outcome in checks[options.what]():
        outcomes.append(outcome)
        if outcome is not None:
            print(outcome, flush=True)
    problems = len(outcomes) - outcomes.count(None)
    print(f"{len(outcomes)} tried, {problems} problems")
    sys.exit(1 if problems else 0)


def refusal(data: bytes, limits: ModelLimits | None = None) -> str:
    """Return the message of the guard; empty if it accepts the model."""
    try:
        check_model(data, name="model", limits=limits or ModelLimits())
    except ArtifactError as error:
        return str(error)
    return ""


def costly() -> Iterator[str | None]:
    """Each of these is refused for its cost, and for nothing else."""
    for name, model in (*costly_nodes(), *unpredictable_nodes()):
        message = refusal(model.SerializeToString())
        expected = "operations, more than" in message or "cannot be predicted" in message
        yield None if expected else f"{name}: {message or 'accepted'}"


def mutated(count: int, seed: int) -> Iterator[str | None]:
    originals = [model.SerializeToString() for _, model in (*costly_nodes(), *unpredictable_nodes())]
    originals += [path.read_bytes() for path in ROOT.glob("models/lenet5-mnist/*.onnx")]
    for number, data in enumerate(mutants(originals, count, seed)):
        start = time.process_time()
        try:
            refusal(data)
            problem = ""
        except Exception as error:  # what is looked for
            problem = f"{type(error).__name__}: {error}"
        seconds = time.process_time() - start
        if seconds > MAX_SCAN_S:
            problem = f"took {seconds:.1f} s"
        yield f"mutant {number} of seed {seed}: {problem}" if problem else None


def units() -> Iterator[str | None]:
    """Run nodes whose predicted cost is just below the limit, and compare their CPU time with it."""
    settings = ort.SessionOptions()
    settings.intra_op_num_threads, settings.log_severity_level = 1, 4
    limits = ModelLimits(max_node_operations=UNITS)
    for name, model in smaller_nodes(lambda data: not refusal(data, limits)):
        try:
            session = ort.InferenceSession(model.SerializeToString(), settings, disabled_optimizers=["ConstantFolding"])
            session.run(None, {})
        except Exception as error:  # onnxruntime's exception classes are not public
            print(f"{name}: not run: {str(error).splitlines()[0][:100]}")
            continue
        start = time.process_time()
        session.run(None, {})
        seconds = time.process_time() - start
        share = seconds / (UNITS * 1e-9)
        print(f"{name}: {seconds:.3f} s, at most {share:.2f} of what is predicted")
        yield None if share <= 1 else f"{name}: takes {share:.2f} times as long as predicted"


def networks(models: list[Path]) -> Iterator[str | None]:
    """Models with weights, templates, and exported from torch those networks of which there is no template."""
    for path in (*sorted(ROOT.glob("models/*/*.onnx")), *models):
        message = refusal(path.read_bytes())
        yield f"{path}: {message}" if message else None
    templates = {path.stem: path for path in sorted(ROOT.glob("models/templates/*.template"))}
    for name, path in templates.items():
        message = refusal(without_weights(path), ModelLimits(max_generated_elements=2**28))
        yield f"{name}: {message}" if message else None
    for name in SPECS.keys() - {stem.split("-")[0] for stem in templates}:
        message = refusal(exported(name))
        yield f"{name}: {message}" if message else None


def exported(name: str) -> bytes:
    """A randomly initialized network of the zoo as a model of its native input size."""
    network, preprocess = build(name), SPECS[name].preprocess
    labels = tuple(map(str, range(network.head.fc.weight.shape[0])))
    info = ArtifactInfo(model=name, labels=labels, preprocess=preprocess, license="CC0-1.0")
    with tempfile.TemporaryDirectory() as folder:
        from_torch(network, info, Path(folder) / "network.onnx")
        return (Path(folder) / "network.onnx").read_bytes()


if __name__ == "__main__":
    main()
