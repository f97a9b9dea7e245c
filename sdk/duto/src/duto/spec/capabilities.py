"""Which capabilities a container may be given back: the studio checks what is asked for by it, and the agent grants no other."""

from __future__ import annotations

# What Docker itself gives a container of which nothing was said.
CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW",
        "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    ]
)  # fmt: skip
