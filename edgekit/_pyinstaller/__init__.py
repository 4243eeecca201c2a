"""Hooks for PyInstaller, which finds them by the entry point `pyinstaller40` in pyproject.toml."""


def get_hook_dirs() -> list[str]:
    """Return the folders that contain hooks."""
    return list(__path__)
