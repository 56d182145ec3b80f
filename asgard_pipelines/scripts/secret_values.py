"""What must not stand in a log that others read: passwords, keys and tokens of this house, masked."""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

from asgard_pipelines.settings import Settings

_MASK = "•••"
_TOKEN = re.compile(r"asgard_[A-Za-z0-9_-]{43}")
_IN_ADDRESS = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)")
_SECRET_NAME = re.compile(
    r"SECRET|TOKEN|PASSW|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|_KEY$|_PAT$", re.IGNORECASE
)
_SHORTEST = 6
LONGEST = 4096
"""Of what is masked: who cuts a text for masking leaves so much more of it on either side."""


def masked(text: str, settings: Settings) -> str:
    """`text` without the secret values of the settings and of this process's variables, without Asgard's
    tokens, and without passwords in addresses."""
    for value in _secrets(settings):
        text = text.replace(value, _MASK)
    text = _IN_ADDRESS.sub(rf"\g<before>{_MASK}", text)
    return _TOKEN.sub(_MASK, text)


def _secrets(settings: Settings) -> list[str]:
    found = {value for name, value in os.environ.items() if _SECRET_NAME.search(name)}
    for value in (*settings.model_dump().values(), *os.environ.values()):
        if isinstance(value, str) and "://" in value:
            found |= _passwords(value)
    return sorted((one for one in found if _SHORTEST <= len(one) <= LONGEST), key=len, reverse=True)


def _passwords(address: str) -> set[str]:
    try:
        password = urlsplit(address).password
    except ValueError:  # it is no address after all
        return set()
    return {password, unquote(password)} if password else set()
