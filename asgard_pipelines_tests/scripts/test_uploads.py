"""What is looked at before anything is started: the script's text, its requirements; and its output after."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import pytest

from asgard_pipelines.errors import Invalid
from asgard_pipelines.scripts import check_requirements, read_source
from asgard_pipelines.scripts.output import Output
from asgard_pipelines.scripts.secret_values import masked
from asgard_pipelines.scripts.system_calls import seccomp_filter
from asgard_pipelines.settings import Settings
from asgard_pipelines.state import create_token

ALLOWED = ["pandas", "scikit-learn", "not-installed-at-all"]


def _sent(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_script_comes_back_as_it_was_written() -> None:
    text = "# ünïcode\nprint('hello')\n"
    assert read_source(_sent(text.encode()), "train.py") == text
    wrapped = "\n".join(_sent(text.encode())[at : at + 8] for at in range(0, 60, 8))
    assert read_source(_sent(b"\xef\xbb\xbf" + text.encode()), "train.py") == text, (
        "a mark of UTF-8 is none of it"
    )
    assert read_source(wrapped, "train.py") == text, "base64 in lines is base64"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("print(1)", "no base64"),
        ("AAA", "no base64"),
        ("ÄÄÄÄ", "no base64"),
        ("", "empty"),
        (_sent(b" \n"), "empty"),
        (_sent(b"\xff\xfe"), "no UTF-8: byte 0"),
        (_sent(b"x = 1\ndef f(:\n"), "no Python: line 2"),
        (_sent(b"x = '\x00'"), "no Python"),
        (_sent(b"(" * 100_000), "no Python"),
        (_sent(b"-" * 900_000 + b"1"), "no Python"),
        (_sent(b"1+" * 400_000 + b"1"), "no Python"),
        (_sent(b"x" + b"[0]" * 300_000), "no Python"),
        (_sent(b"x = 1\n" * 200_000), "1000000 are the most"),
    ],
)
def test_what_is_no_script_is_told(content: str, says: str) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        read_source(content, "train.py")
    assert refused.value.details["problems"][0]["field"] == "script_content"


@pytest.mark.parametrize(
    "wanted", ["pandas", "Pandas", "pandas>=2,<3", "scikit_learn", "scikit-learn ~= 1.0"]
)
def test_what_is_installed_is_met(wanted: str) -> None:
    check_requirements([wanted], ALLOWED)


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("numpy", "not on the list"),
        ("panda", "Did you mean 'pandas'"),
        ("pandas<1", "nothing is installed for a script"),
        ("not-installed-at-all", "not installed here"),
        ("pandas @ https://example.com/pandas.whl", "no URL, path or option"),
        ("pandas @ file:///etc/passwd", "no URL, path or option"),
        ("https://example.com/pandas.whl", "is no requirement"),
        ("./pandas", "is no requirement"),
        ("../../pandas.whl", "is no requirement"),
        ("/tmp/pandas", "is no requirement"),
        ("-r requirements.txt", "is no requirement"),
        ("--index-url=https://example.com", "is no requirement"),
        ("-e .", "is no requirement"),
        ("pandas --no-binary :all:", "is no requirement"),
        ("pandas; python_version > '3'", "no URL, path or option"),
        ("pandas[all]", "no URL, path or option"),
        ("git+https://example.com/pandas", "is no requirement"),
        ("pandas\nnumpy", "is no requirement"),
        ("", "is no requirement"),
    ],
)
def test_what_is_not_met_is_told(wanted: str, says: str) -> None:
    with pytest.raises(Invalid, match=says) as refused:
        check_requirements(["pandas", wanted], ALLOWED)
    [problem] = refused.value.details["problems"]
    assert problem["field"] == "requirements.1"


@pytest.fixture
def kept() -> Callable[..., Output]:
    def read(data: bytes, **bounds: int) -> Output:
        output = Output(**bounds)
        output.read(io.BufferedReader(io.BytesIO(data)))  # type: ignore[arg-type]
        return output

    return read


def test_short_output_is_kept_whole(kept: Callable[..., Output]) -> None:
    output = kept("one\ntwö\n".encode())
    assert output.text() == "one\ntwö\n"
    assert output.end(3) == "\ufffd\n"[-3:] or output.end(4) == "wö\n"


@pytest.mark.parametrize("size", [10, 100, 150, 151, 1000, 300_000])
def test_long_output_keeps_its_beginning_and_its_end(size: int, kept: Callable[..., Output]) -> None:
    data = b"".join(b"%d," % number for number in range(size))[:size]
    output = kept(data, whole=100, end=50)
    text = output.text()
    assert text.startswith(data[:100].decode())
    assert text.endswith(data[-50:].decode())
    assert output.end(20) == data[-20:].decode()
    dropped = max(size - 150, 0)
    assert (f"… {dropped} bytes are not kept …" in text) == bool(dropped)
    assert len(text) < 250


def test_secrets_are_masked_wherever_they_stand(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    token = create_token(settings, "mira", ["predict"], timedelta(days=1))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "abc/def+ghi=")
    monkeypatch.setenv("ASGARD_CATALOG_URI", "postgresql://me:p%40ssw0rd@host/catalog")
    monkeypatch.setenv("SOMETHING_ELSE", "https://you:their-word@host/")
    with_secrets = Settings.read()
    text = f"{token} abc/def+ghi= p%40ssw0rd p@ssw0rd their-word mysql://a:unknown@h/x plain"
    told = masked(text, with_secrets)
    assert told == "••• ••• ••• ••• ••• mysql://a:•••@h/x plain"


def test_the_filter_is_one_that_the_kernel_takes() -> None:
    program = seccomp_filter()
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096
