"""The spell checker fails on British spelling and on the words that this project does not use."""

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "pyproject.toml"
AVOIDED = {
    word: replacement
    for word, replacement in tomllib.loads(CONFIG.read_text())["tool"]["typos"]["default"]["extend-words"].items()
    if word != replacement
}


def spell_check(path: Path) -> subprocess.CompletedProcess[str]:
    """Typos with the settings of scripts/check.py."""
    command = ["typos", "--config", str(CONFIG), "--format", "brief", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_spell_check_accepts_what_is_written_well(tmp_path):
    (tmp_path / "good.md").write_text("The license of a third-party image: labeled, colored, 3fa9bc01deadbeef.\n")
    (tmp_path / "good.py").write_text("answr = 1  # sic\n")
    done = spell_check(tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("word", ["licence", "labelled", "colour", "behaviour", "recieve"])
@pytest.mark.parametrize("text", ["A {} here.", "def {}_of(name): ...", "class {}Reader: ..."])
def test_spell_check_finds_a_planted_misspelling(tmp_path, word, text):
    path = tmp_path / "planted.py"
    path.write_text(text.format(word.capitalize() if "class" in text else word))
    done = spell_check(path)
    assert done.returncode != 0
    assert word in done.stdout.lower()


def test_spell_check_finds_every_word_to_avoid(tmp_path):
    assert {"picture", "pictures", "stranger", "strangers"} <= set(AVOIDED)
    for word, replacement in AVOIDED.items():
        (tmp_path / "planted.md").write_text(f"One {word}.\n")
        done = spell_check(tmp_path)
        assert done.returncode != 0, word
        assert f"`{word}` should be `{replacement}`" in done.stdout


def test_spell_check_finds_a_word_to_avoid_in_a_file_name(tmp_path):
    (tmp_path / "test_pictures.py").write_text("")
    assert "pictures" in spell_check(tmp_path).stdout


def test_misspellings_on_purpose_are_marked(tmp_path):
    (tmp_path / "planted.py").write_text('"licence"  # sic\n"colour"\n')
    marked = (
        "| licence | <!-- sic --> |\n<!-- sic: begin -->\nlicence\n<!-- sic: end -->\nbehaviour <!-- sic: begin -->\n"
    )
    (tmp_path / "planted.md").write_text(marked)
    found = spell_check(tmp_path).stdout
    assert "licence" not in found
    assert "`colour`" in found
    assert "`behaviour`" in found


def test_files_left_out_of_the_spell_check_exist():
    """So that the list of what is left out does not go stale."""
    left_out = tomllib.loads(CONFIG.read_text())["tool"]["typos"]["files"]["extend-exclude"]
    assert [pattern for pattern in left_out if pattern != ".git/" and not any(ROOT.rglob(pattern.rstrip("/")))] == []
