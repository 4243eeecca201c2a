import dataclasses
import inspect
import re
from typing import get_args

import pytest

from edgekit.cli import serve
from edgekit.errors import SpecError
from edgekit.serve import ServeSettings


def test_settings_have_defaults_that_are_valid():
    settings = ServeSettings()
    assert dataclasses.replace(settings) == settings
    assert not settings.allow_urls
    assert settings.api_keys == ()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"queue": -1}, r"`queue` must be an integer from 0 \(got -1\)"),
        ({"threads": 0}, "`threads` must be an integer from 1"),
        ({"threads": True}, "`threads` must be an integer from 1"),
        ({"max_images": 2.5}, "`max_images` must be an integer from 1"),
        ({"deadline_s": 0}, r"`deadline_s` must be a number from 0\.001"),
        ({"deadline_s": float("inf")}, "`deadline_s` must be a number"),
        ({"body_timeout_s": float("nan")}, "`body_timeout_s` must be a number"),
        ({"allow_urls": "yes"}, "`allow_urls` must be a bool"),
        ({"hosts": "example.org"}, r"`hosts` must be a tuple or None \(got 'example.org'\)"),
        *(
            ({"hosts": ("edge.example", host)}, re.escape(f"such as edge.example (got {host!r})"))
            for host in ("", "edge.example:80", "http://edge.example", "edge.example.", "*", 3)
        ),
        ({"api_keys": ("",)}, "`api_keys` must be a tuple of texts that are not empty"),
    ],
)
def test_settings_refuse_other_values(values, message):
    with pytest.raises(SpecError, match=message):
        ServeSettings(**values)


def test_every_number_has_a_smallest_value():
    numbers = [f.name for f in dataclasses.fields(ServeSettings) if f.type in ("int", "float", "int | None")]
    assert len(numbers) >= 12
    for name in numbers:
        with pytest.raises(SpecError, match=f"`{name}`"):
            ServeSettings(**{name: -1})


def test_keys_are_in_no_message():
    assert "secret" not in repr(ServeSettings(api_keys=("secret",)))
    with pytest.raises(SpecError) as refused:
        ServeSettings(api_keys=["secret"])
    assert "secret" not in str(refused.value)


def test_options_of_the_command_have_the_defaults_of_the_settings():
    fields, compared = {field.name: field.default for field in dataclasses.fields(ServeSettings)}, []
    for name, parameter in inspect.signature(serve.run, eval_str=True).parameters.items():
        argument = get_args(parameter.annotation)[1].argument or name
        if argument in fields and argument != "hosts":  # whose default depends on other options
            assert parameter.default == fields[argument], name
            compared.append(argument)
    assert {"queue", "deadline_s", "max_body_bytes", "body_timeout_s", "max_images", "max_pixels"} <= set(compared)
