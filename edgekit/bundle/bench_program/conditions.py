"""What heats and slows the processor while something is timed: temperature, frequency, throttling.

Linux shows them in files; the Raspberry Pi also by a program, `vcgencmd`. Where there is nothing to read, the values
are None.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Parts of the names that sensors of processors have: cpu-thermal, x86_pkg_temp, soc-thermal, ...
_PROCESSOR_SENSORS = ("cpu", "pkg", "soc", "core")
# Bits of the Raspberry Pi's word: too low a voltage, frequency capped, throttled, hot; now, and since it started.
_NOW, _SINCE_START = 0xF, 0xF0000


class Conditions:
    """Reads the sensors when it is made, at each `sample`, and at `finish`."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Find what can be read. root: the file system, for tests."""
        self._root = root
        self._sensors = _temperature_files(root)
        self._clocks = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq"))
        self._temperatures = [self._temperature()]
        self._frequencies = [self._frequency()]
        self._words = [_raspberry_pi_word(root)]
        self._throttle_count = _throttle_count(root)

    def sample(self) -> None:
        """Read the sensors while the processor is busy; costs far less than a round."""
        self._temperatures.append(self._temperature())
        self._frequencies.append(self._frequency())
        self._words.append(_word_file(self._root))

    def finish(self) -> dict[str, Any]:
        """Read the sensors a last time, and return what all readings were."""
        self._temperatures.append(self._temperature())
        self._frequencies.append(self._frequency())
        self._words.append(_raspberry_pi_word(self._root))
        maximum = _number(self._root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", 1e3)
        frequency = _summary(self._frequencies, "lowest", min)
        return {
            "temperature_c": _summary(self._temperatures, "highest", max),
            "frequency_mhz": frequency and {**frequency, "maximum": maximum},
            "throttled": self._throttled(),
        }

    def _temperature(self) -> float | None:
        """Degrees Celsius of the hottest sensor."""
        return max((value for file in self._sensors if (value := _number(file, 1e3)) is not None), default=None)

    def _frequency(self) -> float | None:
        """MHz of the fastest core: the one that works."""
        return max((value for file in self._clocks if (value := _number(file, 1e3)) is not None), default=None)

    def _throttled(self) -> bool | None:
        """Whether the processor was slowed down meanwhile; None if nothing reports it."""
        words = [word for word in self._words if word is not None]
        if words:
            return any(word & _NOW for word in words[1:]) or bool(words[-1] & ~words[0] & _SINCE_START)
        count = _throttle_count(self._root)
        return None if self._throttle_count is None or count is None else count > self._throttle_count


def _temperature_files(root: Path) -> list[Path]:
    """The sensors of the processor; all of them if none has the name of one."""
    zones = {zone / "temp": _text(zone / "type") or "" for zone in root.glob("sys/class/thermal/thermal_zone*")}
    of_processor = [file for file, kind in zones.items() if any(part in kind.lower() for part in _PROCESSOR_SENSORS)]
    return sorted(of_processor or zones)


def _summary(
    readings: Sequence[float | None], extreme: str, choose: Callable[[Sequence[float]], float]
) -> dict[str, float] | None:
    """The first and last reading, and the extreme of those between; None if one is missing."""
    present = [reading for reading in readings if reading is not None]
    if len(present) < len(readings):
        return None
    return {"before": present[0], extreme: choose(present[1:]), "after": present[-1]}


def _raspberry_pi_word(root: Path) -> int | None:
    """How the firmware of a Raspberry Pi throttles the processor; None on other devices."""
    program = shutil.which("vcgencmd")
    word = _word_file(root)
    if word is not None or program is None or root != Path("/"):
        return word
    try:
        printed = subprocess.run((program, "get_throttled"), capture_output=True, text=True, timeout=10, check=True)
        return int(printed.stdout.partition("=")[2], 16)
    except (OSError, subprocess.SubprocessError, ValueError):  # not allowed, or another program of that name
        return None


def _word_file(root: Path) -> int | None:
    for file in root.glob("sys/devices/platform/soc*/*firmware/get_throttled"):
        try:
            return int(_text(file) or "", 16)
        except ValueError:
            continue
    return None


def _throttle_count(root: Path) -> int | None:
    """How often x86 processors were throttled since they started; None if it is not counted."""
    files = root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/*_throttle_count")
    counts = [int(count) for file in files if (count := _number(file, 1)) is not None]
    return sum(counts) if counts else None


def _number(file: Path, unit: float) -> float | None:
    try:
        return int(_text(file) or "") / unit
    except ValueError:
        return None


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except OSError:  # some sensors can be listed, but not read
        return None
