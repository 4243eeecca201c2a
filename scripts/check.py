"""Everything that a change must pass: lint, format, types, layers, tests. Further arguments go to pytest."""

import subprocess
import sys

CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("lint-imports",),
    (sys.executable, "-m", "pytest", *sys.argv[1:]),
)


def main() -> None:
    for command in CHECKS:
        print("$", *command, flush=True)
        code = subprocess.run(command).returncode
        if code:
            sys.exit(code)


if __name__ == "__main__":
    main()
