"""The filter of system calls around a step: what reaches the kernel's machinery and is of no use to a program.

A classic BPF program, made here so that no library is needed. What programs of this trade call goes through: threads,
processes, shared memory, sockets, debugging of one's own memory.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

# linux/seccomp.h, linux/audit.h, linux/bpf_common.h
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
LOAD, EQUAL, ANY_BIT, AT_LEAST, RETURN = 0x20, 0x15, 0x45, 0x35, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT, SECOND_ARGUMENT = 0, 4, 16, 24  # the low half of a little-endian argument
X32 = 0x40000000
# linux/sched.h: mount, cgroup, uts, ipc, user, pid and network namespaces. That of time shares its bit with a signal of clone.
NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
TIME_NAMESPACE = 0x80
TERMINAL = (0x5412, 0x541C)  # ioctl: type into a terminal (TIOCSTI), or into the console (TIOCLINUX)
FAMILIES = (38, 40)  # socket: the kernel's ciphers (AF_ALG), and the machine below a virtual one (AF_VSOCK)

# Since Linux 5.1 all architectures number alike: io_uring, the new calls for mounts, quotas by a handle.
ALIKE = (425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 443, 467)
CLONE3 = 435


@dataclass(frozen=True)
class Calls:
    """The numbers of one architecture."""

    architecture: int
    denied: tuple[int, ...]
    clone: int
    unshare: int
    ioctl: int
    socket: int
    foreign: int | None = field(default=None)  # numbers from here on are those of another way to call


# In this order: mount, umount2, pivot_root, chroot, setns; ptrace, kcmp; add_key, request_key, keyctl; bpf,
# perf_event_open, userfaultfd; kexec_load, kexec_file_load, init_module, finit_module, delete_module;
# name_to_handle_at, open_by_handle_at; quotactl, acct, swapon, swapoff, reboot, syslog; sethostname, setdomainname,
# settimeofday, clock_settime; lookup_dcookie, nfsservctl, vhangup; and of x86 iopl, ioperm, create_module,
# get_kernel_syms, query_module, uselib, modify_ldt, _sysctl.
MACHINES = {
    "x86_64": Calls(
        0xC000003E,
        (165, 166, 155, 161, 308, 101, 312, 248, 249, 250, 321, 298, 323, 246, 320, 175, 313, 176, 303, 304, 179, 163,
         167, 168, 169, 103, 170, 171, 164, 227, 212, 180, 153, 172, 173, 174, 177, 178, 134, 154, 156),
        clone=56, unshare=272, ioctl=16, socket=41, foreign=X32,
    ),
    "aarch64": Calls(
        0xC00000B7,
        (40, 39, 41, 51, 268, 117, 272, 217, 218, 219, 280, 241, 282, 104, 294, 105, 273, 106, 264, 265, 60, 89, 224,
         225, 142, 116, 161, 162, 170, 112, 18, 42, 58),
        clone=220, unshare=97, ioctl=29, socket=198,
    ),
}  # fmt: skip


def program(machine: str | None = None) -> bytes | None:
    """The filter for this machine, as `bwrap --seccomp` reads it; None where its numbers are not known here."""
    calls = MACHINES.get(machine or platform.machine())
    return None if calls is None else b"".join(_lines(calls))


def _lines(calls: Calls) -> Iterable[bytes]:
    refused = ERRNO | errno.EPERM
    yield _line(LOAD, ARCHITECTURE)
    yield _line(EQUAL, calls.architecture, 1, 0)
    yield _line(RETURN, KILL)  # 32 bits have numbers of their own
    yield _line(LOAD, NUMBER)
    if calls.foreign is not None:
        yield from _answer(AT_LEAST, calls.foreign, ERRNO | errno.ENOSYS)
    # Its flags lie in memory, where a filter cannot look: the C library then takes clone.
    yield from _answer(EQUAL, CLONE3, ERRNO | errno.ENOSYS)
    for number in (*calls.denied, *ALIKE):
        yield from _answer(EQUAL, number, refused)
    yield from _if_called(calls.clone, FIRST_ARGUMENT, [(ANY_BIT, NAMESPACES)])
    yield from _if_called(calls.unshare, FIRST_ARGUMENT, [(ANY_BIT, NAMESPACES | TIME_NAMESPACE)])
    yield from _if_called(calls.ioctl, SECOND_ARGUMENT, [(EQUAL, number) for number in TERMINAL])
    yield from _if_called(calls.socket, FIRST_ARGUMENT, [(EQUAL, number) for number in FAMILIES])
    yield _line(RETURN, ALLOW)


def _answer(test: int, value: int, answer: int) -> Iterable[bytes]:
    yield _line(test, value, 0, 1)
    yield _line(RETURN, answer)


def _if_called(number: int, argument: int, tests: list[tuple[int, int]]) -> Iterable[bytes]:
    """Refuse this call if a test of its argument holds; the number is loaded again for whatever follows."""
    yield _line(EQUAL, number, 0, 2 + 2 * len(tests))
    yield _line(LOAD, argument)
    for test, value in tests:
        yield from _answer(test, value, ERRNO | errno.EPERM)
    yield _line(LOAD, NUMBER)


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", code, if_true, if_false, value)
