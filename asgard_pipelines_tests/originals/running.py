"""Running what the documents print, at the address where the API is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

from asgard_pipelines_tests.originals.items import block

PRINTED_AT = "http://localhost:8000"


def program(document: str, name: str, address: str) -> str:
    """Runs a Python program as printed, but for the address; what it prints."""
    text = block(document, name).replace(PRINTED_AT, address)
    ended = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def curls(document: str, name: str, address: str, **names: str) -> list[Any]:
    """Runs each curl of a block as printed, but for the address and for `names` that only one run knows; what
    it answers, as JSON."""
    answers = []
    for command in curl_commands(document, name):
        for printed, known in names.items():
            command = command.replace(printed, known)
        text = re.sub(r" *\| jq .*$", "", command.replace(PRINTED_AT, address), flags=re.MULTILINE)
        ended = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=600)
        assert ended.returncode == 0, ended.stderr
        answers.append(json.loads(ended.stdout))
    return answers


def curl_commands(document: str, name: str) -> list[str]:
    """The block's commands that are curls, each with its body."""
    parts = re.split(r"^(?=curl |#|kubectl |aws )", block(document, name), flags=re.MULTILINE)
    return [part for part in parts if part.startswith("curl ")]


def request(document: str, name: str) -> tuple[str, str, Any]:
    """Method, path and body of a block that is a request: `POST /path`, and JSON."""
    first, _, body = block(document, name).partition("\n")
    method, path = first.split()
    return method, path, json.loads(body)


def printed(document: str, name: str) -> Any:
    """The document of a block of JSON."""
    return json.loads(block(document, name))


def http(document: str, title: str, **names: str) -> tuple[str, str, dict[str, str], bytes | None]:
    """Method, path, headers and body of a block that is a request over the wire, with `names` (`{token}`) put
    in."""
    text = block(document, title)
    for printed_name, known in names.items():
        text = text.replace(f"{{{printed_name}}}", known)
    head, _, body = text.partition("\n\n")
    first, *lines = head.splitlines()
    method, path = first.split()
    return method, path, dict(line.split(": ", 1) for line in lines), body.encode() or None
