"""Files that never end, or that nobody writes to, at each place where a command reads or writes one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
# Runs in a process of its own, which an alarm ends if a command waits.
PROGRAM = """
import inspect, os, shutil, signal, sys
from pathlib import Path
from fuzz_commands import COMMANDS, GOOD, KINDS, Option, check, declaration, documented_exit_codes, make_files

SPECIAL = ("fifo", "/dev/zero")
FILE_OPTIONS = {"labels", "weights", "synonyms", "list", "resume", "model", "image", "preset"}
folder = Path(sys.argv[1])
make_files(folder / "files")
os.environ |= {"EDGEKIT_HOME": str(folder / "home"), "EDGEKIT_OFFLINE": "1"}
os.chdir(folder / "files")
os.mkfifo("fifo")
tried = 0
for name, lines in GOOD.items():
    if name in ("models", "doctor"):
        continue
    places = [(line.split(), n) for line in lines for n, value in enumerate(line.split()) if value in KINDS]
    variants = [[*words[:n], special, *words[n + 1 :]] for words, n in places for special in SPECIAL]
    module = COMMANDS[name]
    for parameter, annotation in inspect.get_annotations(module.run, eval_str=False).items():
        declared = declaration(module, parameter, annotation)
        if isinstance(declared, Option) and ("Path" in str(annotation) or parameter in FILE_OPTIONS):
            variants += [[*lines[0].split(), declared.spelling(parameter), special] for special in SPECIAL]
    for variant in variants:
        shutil.rmtree("made", ignore_errors=True)
        signal.alarm(20)
        check([name, *variant], documented_exit_codes(), folder / "streams")
        tried += 1
signal.alarm(0)
print(tried)
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="files of POSIX")
def test_commands_end_at_once_in_one_line_for_files_that_never_end(tmp_path):
    command = [sys.executable, "-c", PROGRAM, tmp_path]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) >= 120
