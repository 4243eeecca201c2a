"""Temperature, frequency and throttling, as the files of several devices show them."""

from pathlib import Path

import pytest

from edgekit.bundle.bench_program.conditions import Conditions

_WORD = "sys/devices/platform/soc/soc:firmware/get_throttled"
_CLOCK = "sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"


@pytest.fixture
def write(tmp_path):
    """A function that writes a file of the system."""

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
        return path

    return write_file


def test_raspberry_pi_shows_temperature_frequency_and_throttling(write, tmp_path):
    write("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    temperature = write("sys/class/thermal/thermal_zone0/temp", "45000\n")
    clocks = [write(_CLOCK.format(core), "1500000\n") for core in range(2)]
    write("sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "2400000\n")
    word = write(_WORD, "0\n")
    conditions = Conditions(tmp_path)
    temperature.write_text("82500\n", encoding="ascii")
    clocks[1].write_text("2000000\n", encoding="ascii")
    conditions.sample()
    clocks[0].write_text("2400000\n", encoding="ascii")
    temperature.write_text("60000\n", encoding="ascii")
    word.write_text("60000\n", encoding="ascii")  # hexadecimal: it was throttled since the start, and is not now
    assert conditions.finish() == {
        "temperature_c": {"before": 45.0, "highest": 82.5, "after": 60.0},
        "frequency_mhz": {"before": 1500.0, "lowest": 2000.0, "after": 2400.0, "maximum": 2400.0},
        "throttled": True,
    }


@pytest.mark.parametrize(
    ("before", "during", "after", "throttled"),
    [
        ("0", "0", "0", False),
        ("50000", "50000", "50000", False),  # earlier than the measurement
        ("50000", "50005", "50000", True),
        ("0", "0", "4", True),
        ("0", "0", "40000", True),
        ("10000", "10000", "50000", True),
    ],
)
def test_throttling_counts_if_it_happened_meanwhile(write, tmp_path, before, during, after, throttled):
    word = write(_WORD, before)
    conditions = Conditions(tmp_path)
    word.write_text(during, encoding="ascii")
    conditions.sample()
    word.write_text(after, encoding="ascii")
    assert conditions.finish()["throttled"] is throttled


def test_sensors_of_the_processor_are_preferred_to_others(write, tmp_path):
    for number, (kind, temperature) in enumerate((("acpitz", 90000), ("x86_pkg_temp", 50000))):
        write(f"sys/class/thermal/thermal_zone{number}/type", kind)
        write(f"sys/class/thermal/thermal_zone{number}/temp", str(temperature))
    assert Conditions(tmp_path).finish()["temperature_c"]["highest"] == 50.0


def test_x86_is_throttled_if_its_counters_rise(write, tmp_path):
    counter = write("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "7")
    conditions = Conditions(tmp_path)
    counter.write_text("9", encoding="ascii")
    assert conditions.finish()["throttled"] is True


def test_device_that_shows_nothing_has_no_values(tmp_path):
    conditions = Conditions(tmp_path)
    conditions.sample()
    assert conditions.finish() == {"temperature_c": None, "frequency_mhz": None, "throttled": None}


def test_sensor_that_cannot_be_read_has_no_value(write, tmp_path):
    write("sys/class/thermal/thermal_zone0/type", "cpu-thermal")
    write("sys/class/thermal/thermal_zone0/temp", "")
    assert Conditions(tmp_path).finish()["temperature_c"] is None
