"""An uploaded script, read: what was sent has to be Python before anything is started for it."""

from __future__ import annotations

import ast
import base64
import binascii

from asgard_pipelines.errors import Invalid

_LONGEST = 1_000_000


def read_source(content: str, name: str) -> str:
    """The script's text.

    Args:
        content: base64 of UTF-8.
        name: for the messages.

    Raises:
        Invalid: it is no base64, no UTF-8, no Python, empty, or too long.
    """
    try:
        data = base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _invalid(f"this is no base64: {error}") from None
    if len(data) > _LONGEST:
        raise _invalid(f"the script has {len(data)} bytes, and {_LONGEST} are the most")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _invalid(f"the script is no UTF-8: byte {error.start} cannot be") from None
    if not text.strip():
        raise _invalid("the script is empty")
    try:
        ast.parse(text, name)
    except SyntaxError as error:
        raise _invalid(
            f"the script is no Python: line {error.lineno}: {error.msg}", line=error.lineno
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _invalid(f"the script is no Python: {error or 'it is nested too deeply'}") from None
    return text


def _invalid(message: str, **details: object) -> Invalid:
    problem = {"field": "script_content", "message": message}
    return Invalid(f"script_content: {message}.", problems=[problem], **details)
