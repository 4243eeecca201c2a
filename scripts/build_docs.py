"""Build the documentation: strictly, without a network, with the reference pages generated from the code.

    python scripts/build_docs.py [SITE]        (build/site by default)

Needs the extra `docs`. The build fails if the generator warns, and if docs/ and the navigation have different pages.
To read the site: python -m http.server -d build/site
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from typer.models import ArgumentInfo, CommandInfo, OptionInfo

from edgekit import errors
from edgekit.cli.app import app

ROOT = Path(__file__).parents[1]
MODULES = (
    "edgekit",
    "edgekit.dataset",
    "edgekit.shards",
    "edgekit.train",
    "edgekit.export",
    "edgekit.quantize",
    "edgekit.evaluate",
    "edgekit.fit",
    "edgekit.audit",
    "edgekit.serve",
)
_DOCSTRING_ONLY = "    options:\n      members: []\n      show_root_heading: false\n      show_root_toc_entry: false"
_INTRODUCTION = "Each command prints this help with `--help`. See also the [exit codes](../faq.md#exit-codes)."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, nargs="?", default=ROOT / "build" / "site")
    site: Path = parser.parse_args().site
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder)
        shutil.copytree(ROOT / "docs", source / "docs")
        copy_package(source / "edgekit")
        shutil.copy(ROOT / "zensical.toml", source)
        write_reference(source / "docs" / "reference")
        check_navigation(source)
        build(source)
        shutil.rmtree(site, ignore_errors=True)
        shutil.copytree(source / "site", site)
    print(f"wrote {site}")


def copy_package(target: Path) -> None:
    """Copy the package for mkdocstrings, which knows the section `Example:` of our docstrings by its plural only."""
    shutil.copytree(ROOT / "edgekit", target, ignore=shutil.ignore_patterns("__pycache__"))
    for path in target.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"(?m)^( *)Example:$", r"\1Examples:", text), encoding="utf-8")


def build(source: Path) -> None:
    """Run the generator, and end with its output if it warns of anything."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    output = done.stdout + done.stderr
    if done.returncode or "No issues found" not in output or "warning" in output.lower():
        sys.exit(f"error: the site was not built\n{output}")


def check_navigation(source: Path) -> None:
    """End if the navigation lacks a page, or names one that does not exist: the generator accepts both."""
    navigation = tomllib.loads((source / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    pages = {page.relative_to(source / "docs").as_posix() for page in (source / "docs").rglob("*.md")}
    if different := pages ^ set(_pages(navigation)):
        sys.exit(f"error: zensical.toml: the navigation and docs/ differ in {', '.join(sorted(different))}")


def _pages(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        for target in entry.values():
            yield from [target] if isinstance(target, str) else _pages(target)


def write_reference(folder: Path) -> None:
    """Write cli.md, and a page for each public module."""
    folder.mkdir()
    (folder / "cli.md").write_text(cli_reference(), encoding="utf-8")
    for name in MODULES:
        (folder / f"{name.rpartition('.')[2]}.md").write_text(api_reference(name), encoding="utf-8")


def api_reference(module_name: str) -> str:
    """The page of a module's public names, errors last; mkdocstrings fills in their docstrings."""
    names = [name for name in importlib.import_module(module_name).__all__ if not name.startswith("_")]
    names.sort(key=lambda name: hasattr(errors, name))
    members = [f"::: {module_name}.{name}" for name in names]
    return "\n\n".join((f"# {module_name}", f"::: {module_name}\n{_DOCSTRING_ONLY}", *members)) + "\n"


def cli_reference() -> str:
    """The page of all commands, from their declarations."""
    sections = [_command_section(command) for command in app.registered_commands]
    return "\n\n".join(("# Command line", _INTRODUCTION, *sections)) + "\n"


def _command_section(command: CommandInfo) -> str:
    assert command.callback is not None
    parameters = inspect.signature(command.callback).parameters.values()
    declared = [(parameter, get_args(parameter.annotation)[1]) for parameter in parameters]
    arguments = [(parameter, info) for parameter, info in declared if isinstance(info, ArgumentInfo)]
    metavars = (f"[{i.metavar}]" if p.default is not p.empty else str(i.metavar) for p, i in arguments)
    parts = [f"## edgekit {command.name}", _escaped(command.callback.__doc__ or "")]
    parts.append(f"```text\nedgekit {command.name} [OPTIONS] {' '.join(metavars)}\n```")
    parts += [_definition(str(info.metavar), info) for _, info in arguments]
    panel = None
    for parameter, info in declared:
        if isinstance(info, ArgumentInfo):
            continue
        if info.rich_help_panel != panel:
            panel = info.rich_help_panel
            parts.append(f"### {panel} {{ #{command.name}-{panel.lower().replace(' ', '-')} }}")
        parts.append(_definition(f"{', '.join(_flags(parameter, info))} {info.metavar}".strip(), info))
    examples = inspect.cleandoc((command.epilog or "").removeprefix("Examples:\n"))
    return "\n\n".join((*parts, f"```sh\n{examples}\n```"))


def _flags(parameter: inspect.Parameter, info: OptionInfo) -> tuple[str, ...]:
    """The flags of an option; one that may be on, off or unset has a flag for each."""
    name = parameter.name.replace("_", "-")
    kinds = get_args(get_args(parameter.annotation)[0])
    return tuple(info.param_decls or ((f"--{name}", f"--no-{name}") if bool in kinds else (f"--{name}",)))


def _definition(term: str, declaration: OptionInfo | ArgumentInfo) -> str:
    help = re.sub(r"\[/?dim\]", "", declaration.help or "").replace("\\[", "[")  # for rich, where it is installed
    return f"`{term}`\n:   {_escaped(help)}"


def _escaped(text: str) -> str:
    """The text with Markdown's signs as they are, outside of backticks."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([*_\[\]<>])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


if __name__ == "__main__":
    main()
