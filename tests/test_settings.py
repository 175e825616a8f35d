"""Settings come from the environment, and a bad one is named."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from stoppress.newsroom.errors import InvalidError
from stoppress.settings import Settings


def test_defaults_bind_to_this_machine_only() -> None:
    settings = Settings.from_env({"HOME": "/home/a"})

    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert settings.data_dir == Path("/home/a/.local/share/stoppress")


def test_an_option_wins_over_the_variable_and_that_over_the_platform_s_port() -> None:
    environ = {"PORT": "1", "HOME": "/"}

    assert Settings.from_env(environ).port == 1
    assert Settings.from_env({**environ, "STOPPRESS_PORT": "2"}).port == 2
    assert Settings.from_env({**environ, "STOPPRESS_PORT": "2"}, port=3).port == 3
    assert Settings.from_env({**environ, "STOPPRESS_PORT": ""}, port=None).port == 8000


def test_the_data_home_follows_the_desktop_s_rules() -> None:
    assert Settings.from_env({"XDG_DATA_HOME": "/x"}).data_dir == Path("/x/stoppress")
    assert Settings.from_env({"XDG_DATA_HOME": "x", "HOME": "/h"}).data_dir == Path("/h/.local/share/stoppress")
    assert Settings.from_env({"STOPPRESS_DATA_DIR": "/d", "HOME": "/h"}).data_dir == Path("/d")


@pytest.mark.parametrize(
    ("variable", "value", "rule"),
    [
        ("STOPPRESS_PORT", "http", "whole number"),
        ("STOPPRESS_PORT", "65536", "from 0 to 65,535"),
        ("STOPPRESS_BEAT_S", "nan", "from 1 to 25"),
        ("STOPPRESS_BEAT_S", "inf", "from 1 to 25"),
        ("STOPPRESS_BACKLOG", "1.5", "whole number"),
        ("STOPPRESS_BACKLOG", "0", "from 1"),
        ("STOPPRESS_LOG_FORMAT", "xml", "one of text, json"),
        ("STOPPRESS_STORE_DURABLE", "maybe", "1 or 0"),
        ("STOPPRESS_ORIGINS", "news.example", "https://news.example.org"),
        ("STOPPRESS_ORIGINS", "https://a.example/path", "https://news.example.org"),
        ("STOPPRESS_PUBLIC_URL", "news.example", "https://news.example.org"),
        ("STOPPRESS_ORIGINS", "http://[::1", "https://news.example.org"),
        ("STOPPRESS_PUBLIC_URL", "http://[x]", "https://news.example.org"),
        ("STOPPRESS_PUBLIC_URL", "http://a:99999", "https://news.example.org"),
        ("STOPPRESS_PREFIX", "a{b}", "1 to 64"),
        ("STOPPRESS_PREFIX", "*", "1 to 64"),
    ],
)
def test_a_bad_value_names_its_variable_and_the_rule(variable: str, value: str, rule: str) -> None:
    with pytest.raises(InvalidError) as error:
        Settings.from_env({variable: value, "HOME": "/"})
    assert error.value.field == variable
    assert rule in error.value.rule


def test_lists_and_addresses_are_normalised() -> None:
    origins = " https://A.example/, https://a.example:8443 ,,https://A.example"
    settings = Settings.from_env(
        {
            "STOPPRESS_ORIGINS": origins,
            "STOPPRESS_PUBLIC_URL": "https://a.example/news/",
            "STOPPRESS_STORE_DURABLE": "yes",
            "HOME": "/",
        }
    )

    assert settings.origins == ("https://a.example", "https://a.example:8443")
    assert settings.public_url == "https://a.example/news"
    assert settings.store_durable is True


def test_an_override_that_does_not_exist_is_a_mistake_in_the_code() -> None:
    with pytest.raises(TypeError, match="colour"):
        Settings.from_env({"HOME": "/"}, colour="red")


def test_every_setting_says_what_it_is() -> None:
    assert all(entry.metadata.get("about") for entry in fields(Settings))
