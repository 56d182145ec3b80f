"""Memory that goes back to the system once it is freed."""

from __future__ import annotations

import ctypes
import platform

import pyarrow as pa

_M_MMAP_THRESHOLD = -3
_BLOCK = 16 << 20


def give_back() -> None:
    """Gives back what Arrow and the C library have freed, and from now on each freed block of 16 MB and more.

    glibc keeps blocks below a threshold, which grows up to 32 MB with what a program frees. Columns of
    millions of rows lie just below that: while five million rows were scored, 200 MB stood unused.
    """
    pa.default_memory_pool().release_unused()
    if platform.libc_ver()[0] == "glibc":
        glibc = ctypes.CDLL(None)
        glibc.malloc_trim(0)
        glibc.mallopt(_M_MMAP_THRESHOLD, _BLOCK)
