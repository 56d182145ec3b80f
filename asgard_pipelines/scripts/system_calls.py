"""What the kernel refuses a script: a seccomp filter, assembled here, loaded by bubblewrap.

Namespaces hide the machine; this closes what they do not cover. Sockets of families that no network
namespace holds (vsock reaches the hypervisor), the kernel's keyrings, memory that no limit counts
(memfd, System V), tracing, mounting, and the calls in which the kernel's own holes are found most.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

_FAMILIES = (1, 2, 10, 16)
"""unix, inet, inet6, netlink: each seen inside its own namespaces only."""

# Of `struct seccomp_data`: where the number, the architecture and the first argument stand.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_X32 = 0x40000000


@dataclass(frozen=True)
class _Machine:
    audit: int
    socket: int
    socketpair: int
    refused: tuple[int, ...]


_NEW = (*range(425, 434), 438, 442, 443, 447, 457, 458, 467)
"""Numbers that are the same everywhere: io_uring, the mount calls, pidfd_getfd, mount_setattr, quotactl_fd,
memfd_secret, statmount, listmount, open_tree_attr."""
_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        socket=41,
        socketpair=53,
        refused=(
            *(29, 30, 31, 67),  # shmget, shmat, shmctl, shmdt
            *(
                64,
                65,
                66,
                68,
                69,
                70,
                71,
                240,
            ),  # semget, semop, semctl, msgget, msgsnd, msgrcv, msgctl, mq_open
            *(101, 310, 311, 312),  # ptrace, process_vm_readv, process_vm_writev, kcmp
            *(103, 163, 167, 168, 169, 179),  # syslog, acct, swapon, swapoff, reboot, quotactl
            *(155, 161, 165, 166, 272, 308),  # pivot_root, chroot, mount, umount2, unshare, setns
            *(175, 176, 313, 246, 320),  # init_module, delete_module, finit_module, kexec_load, …_file_load
            *(248, 249, 250),  # add_key, request_key, keyctl
            *(298, 321, 323),  # perf_event_open, bpf, userfaultfd
            *(303, 304, 319),  # name_to_handle_at, open_by_handle_at, memfd_create
        ),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        socket=198,
        socketpair=199,
        refused=(
            *(180, *range(186, 198)),  # mq_open; System V: messages, semaphores, shared memory
            *(117, 270, 271, 272),
            *(116, 89, 224, 225, 142, 60),
            *(41, 51, 40, 39, 97, 268),
            *(105, 106, 273, 104, 294),
            *(217, 218, 219),
            *(241, 280, 282),
            *(264, 265, 279),
        ),
    ),
}


def filter_is_known() -> bool:
    """Whether this processor's calls are."""
    return platform.machine() in _MACHINES


def seccomp_filter() -> bytes:
    """The filter for this processor, as bubblewrap's `--seccomp` reads it: what is refused is EPERM."""
    machine = _MACHINES[platform.machine()]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _REFUSE),  # 32-bit calls have other numbers
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _REFUSE),
    ]
    for number in (*machine.refused, *_NEW):
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE)]
    families = [(_EQUAL, len(_FAMILIES) - place, 0, one) for place, one in enumerate(_FAMILIES)]
    program += [
        (_EQUAL, 2, 0, machine.socket),
        (_EQUAL, 1, 0, machine.socketpair),
        (_RETURN, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        *families,
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in program)
