"""Every command and every Python block of the documentation runs, and prints what the page shows."""

import re
import shutil
import traceback
from pathlib import Path

import pytest
from made_pages import OUTPUT, PAGES, ROOT, Block, blocks, commands, is_excerpt_of, is_shown, page_id, shell

_MOST_NOT_RUN = 15
_STATUS = re.compile(r"\n?@@status (\d+)\n")
_pages = pytest.mark.parametrize("page", PAGES, ids=page_id)


def _wrong_output(block: Block, printed: str) -> str:
    return f"{block}: the page shows\n{block.text}\n--- but this is printed\n{printed}"


def _run_console(block: Block, folder: Path) -> None:
    """All commands in one shell; each one's output and status are compared."""
    steps = commands(block)
    script = "\n".join(
        f"{step.text}\n__status=$?; printf '\\n@@status %s\\n' $__status; (exit $__status)" for step in steps
    )
    printed = _STATUS.split(shell(script, folder).stdout)[:-1]
    for number, (step, output, status) in enumerate(zip(steps, printed[::2], printed[1::2], strict=True)):
        assert is_shown(step.output, output, figures_vary=bool(block.varies)), _wrong_output(block, output)
        may_fail = steps[number + 1 : number + 2] and steps[number + 1].text == "echo $?"
        assert status == "0" or may_fail, f"{block}: {step.text} ended with status {status}\n{output}"


def _run_sh(block: Block, folder: Path) -> str:
    done = shell(f"set -euo pipefail\n{block.text}", folder)
    assert done.returncode == 0, f"{block}: ended with status {done.returncode}\n{done.stdout}"
    return done.stdout


def _run_python(block: Block, namespace: dict[str, object]) -> None:
    try:
        exec(compile("\n" * block.line + block.text, str(block.page), "exec"), namespace)
    except Exception:
        pytest.fail(f"{block}: {traceback.format_exc()}")


@pytest.mark.slow
@_pages
def test_page_runs_as_it_stands(page, readers_folder, tmp_path, monkeypatch, capsys):
    story = [block for block in blocks(page) if block.not_run is None and (block.is_code or block.title == OUTPUT)]
    if not story:
        pytest.skip("no code on this page")
    folder = Path(shutil.copytree(readers_folder, tmp_path / "here"))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("EDGEKIT_OFFLINE", "1")
    namespace: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    for block in story:
        if block.title == OUTPUT:
            assert is_shown(block.text, printed, figures_vary=bool(block.varies)), _wrong_output(block, printed)
        elif block.language == "console":
            _run_console(block, folder)
        elif block.language == "sh":
            printed = _run_sh(block, folder)
        else:
            capsys.readouterr()
            _run_python(block, namespace)
            printed = capsys.readouterr().out


@_pages
def test_excerpts_stand_in_their_files(page):
    for block in blocks(page):
        if block.is_excerpt:
            assert is_excerpt_of(block.text, (ROOT / block.title).read_text(encoding="utf-8")), f"{block} has changed"


def test_blocks_that_are_not_run_are_few(capsys):
    left_out = [block for page in PAGES for block in blocks(page) if block.not_run]
    with capsys.disabled():
        print(f"\n{len(left_out)} blocks of the documentation are not run:")
        for block in left_out:
            print(f"  {block}: {block.not_run}")
    assert all(block.is_code for block in left_out)
    assert len(left_out) <= _MOST_NOT_RUN


@pytest.fixture
def block_of(tmp_path):
    """A function: the one block of a page with this text."""

    def make(text: str) -> Block:
        page = tmp_path / "page.md"
        page.write_text(text, encoding="utf-8")
        (block,) = blocks(page)
        return block

    return make


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("ship  95.2%", "ship 95.6%", True),
        ("ship  95.2%", "ship  65.2%", False),
        ("ship  95.2%", "car   95.2%", False),
        ("72 images", "73 images", False),
        ("took ... s", "took 3.5 s", True),
        ("a\n...\nd", "a\nb\nc\nd", True),
        ("a\n...\nd", "a\nb\nc", False),
        ("a  b\n----  --", "a    b\n-------  --", True),
        ("a", "a\nb", False),
        ("", "a", False),
    ],
)
def test_outputs_are_compared_by_words_and_within_five_percent(expected, printed, same):
    assert is_shown(expected, printed) is same


def test_figures_that_vary_are_compared_by_the_words_around_them():
    assert is_shown("int8  2.03x  61 MB, -0.10", "int8  1.50x  7 MB, +0.2", figures_vary=True)
    assert not is_shown("int8  2.03x  61 MB", "int8  1.50x", figures_vary=True)


def test_console_block_fails_for_another_output_and_for_a_failed_command(block_of, tmp_path):
    _run_console(block_of("```console\n$ echo a\na\n$ false\n$ echo $?\n1\n```\n"), tmp_path)
    for text in ("```console\n$ echo a\nb\n```\n", "```console\n$ false\n$ echo a\na\n```\n"):
        with pytest.raises(AssertionError):
            _run_console(block_of(text), tmp_path)


def test_commands_of_a_block_share_a_shell_and_continue_over_lines(block_of, tmp_path):
    _run_console(block_of("```console\n$ word=a\n$ echo \\\n> $word\na\n```\n"), tmp_path)


def test_fences_of_unknown_kinds_are_refused(block_of):
    for fence in ("```bash", "    ```sh", "```", "```python hl_lines=1"):
        with pytest.raises(ValueError, match="is not a fence of"):
            block_of(f"{fence}\necho a\n```\n")


def test_reason_must_stand_on_the_line_before_the_block(block_of):
    assert block_of("<!-- not run: needs a board -->\n```sh\nfalse\n```\n").not_run == "needs a board"
    assert block_of("<!-- not run: needs a board -->\n\n```sh\nfalse\n```\n").not_run is None
    assert block_of("<!-- figures vary: timings -->\n```sh\nfalse\n```\n").varies == "timings"


def test_excerpt_may_leave_lines_out_but_not_change_them():
    content = "if a:\n    a = 1\n    b = 2\n    c = 3\n"
    assert is_excerpt_of("a = 1\n...\nc = 3", content)
    assert not is_excerpt_of("a = 1\nc = 3", content)
    assert not is_excerpt_of("c = 3\n...\na = 1", content)
