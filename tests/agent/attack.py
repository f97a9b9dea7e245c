"""A step that wants out: what it tries, and what came of it, as one JSON object. Runs inside of the sandbox.

`attack.py {"home": …, "data": …, "marker": …, "pid": …, "host": …, "broker": port, "web": port, "session": …}`; each value of the answer is "refused …" or "DONE …".
"""

# It speaks to the kernel, call by call.
# ruff: noqa

from __future__ import annotations

import contextlib
import ctypes
import glob
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

given = json.loads(sys.argv[1])
HOME, DATA, MARKER = given["home"], given["data"], given["marker"].encode()
libc = ctypes.CDLL(None, use_errno=True)
found: dict[str, str] = {}


def tried(name: str, action: Callable[[], object]) -> None:
    try:
        found[name] = f"DONE {action()}"
    except (OSError, subprocess.SubprocessError) as error:
        found[name] = f"refused {getattr(error, 'strerror', '') or error}"


def call(function: str, *arguments: object) -> Callable[[], object]:
    def action() -> object:
        result = getattr(libc, function)(*arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    return action


def raw(number: int, *arguments: object) -> Callable[[], object]:
    return call("syscall", number, *arguments)


def written(path: str) -> Callable[[], object]:
    def action() -> object:
        with open(path, "ab") as file:
            return file.write(b"")

    return action


def made(path: str) -> Callable[[], object]:
    return lambda: os.close(os.open(os.path.join(path, "left-by-step"), os.O_CREAT | os.O_WRONLY))


def run(*argv: str) -> Callable[[], object]:
    return lambda: subprocess.run(argv, check=True, capture_output=True, timeout=60).stdout[:100]


def holds_marker(paths: list[str]) -> list[str]:
    """Which of these files, as far as they can be read, hold the secret."""
    holders = []
    for path in paths:
        with contextlib.suppress(OSError), open(path, "rb") as file:
            if MARKER in file.read(1 << 20):
                holders.append(path)
    return holders


def below(*folders: str) -> list[str]:
    return [
        os.path.join(top, name)
        for folder in folders
        for top, _, names in os.walk(folder)
        if not top.startswith(sys.base_prefix)
        for name in names
    ]


def searched(paths: list[str]) -> Callable[[], object]:
    def action() -> object:
        holders = [path for path in holds_marker(paths) if f"/{os.getpid()}/" not in path and os.getcwd() not in path]
        if not holders:
            raise FileNotFoundError(2, "nothing found")
        return holders

    return action


# The sandbox themselves.
for hidden in (HOME, DATA, "/tmp", "/", os.getcwd()):
    tried(f"umount {hidden}", call("umount2", hidden.encode(), 2))
    tried(f"remount {hidden}", call("mount", None, hidden.encode(), None, 0x20 | 0x1000, None))
tried("mount proc", call("mount", b"proc", b"/tmp", b"proc", 0, None))
tried("bind over", call("mount", b"/etc", b"/tmp", None, 0x1000, None))
tried("pivot", raw(155, b"/tmp", b"/tmp"))
tried("open_tree", raw(428, -100, b"/", 1))
tried("chroot", lambda: os.chroot("/tmp"))
for name, flag in (("user", 0x10000000), ("mount", 0x20000), ("net", 0x40000000), ("pid", 0x20000000)):
    tried(f"unshare {name}", call("unshare", flag))
    tried(f"clone {name}", raw(56, flag | signal.SIGCHLD, None, None, None, None))
tried("unshare program", run("unshare", "-Urm", "true"))
tried("nested bwrap", run("bwrap", "--ro-bind", "/", "/", "true"))
tried("setns", raw(308, os.open("/proc/self/ns/mnt", os.O_RDONLY), 0))

# The kernel's machinery.
for name, number, *arguments in (
    ("bpf", 321, 0, None, 0), ("perf", 298, None, 0, -1, -1, 0), ("userfaultfd", 323, 0), ("io_uring", 425, 1, None),
    ("keyctl", 250, 0, -4, 0), ("add_key", 248, b"user", b"d", b"x", 1, -4), ("request_key", 249, b"user", b"d", None, -4),
    ("module", 313, -1, b"", 0), ("kexec", 246, 0, 0, None, 0), ("by handle", 304, -100, None, 0), ("reboot", 169, 0, 0, 0),
    ("ptrace", 101, 16, 1, None, None),
):  # fmt: skip
    tried(name, raw(number, *arguments))
for path in ("core_pattern", "modprobe", "hostname", "randomize_va_space"):
    tried(f"sysctl {path}", written(f"/proc/sys/kernel/{path}"))
tried("sysrq", written("/proc/sysrq-trigger"))
tried("cgroup", lambda: os.mkdir(glob.glob("/sys/fs/cgroup/*/")[0] + "left-by-step"))
tried("terminal", lambda: __import__("fcntl").ioctl(os.open("/dev/null", os.O_RDWR), 0x5412, b"x"))
tried("vsock", lambda: socket.socket(40, socket.SOCK_STREAM))
tried("packets", lambda: socket.socket(17, socket.SOCK_RAW, 3))
tried("kernel's memory", lambda: os.open("/proc/kcore", os.O_RDONLY))
tried("device", lambda: os.mknod("disk", 0o60600, os.makedev(8, 0)))
tried("devices", lambda: [os.open(path, os.O_RDONLY) for path in glob.glob("/dev/[shv]d*") + ["/dev/mem", "/dev/kmsg"]])

# Becoming somebody else.
tried("setuid", lambda: os.setuid(0 if os.getuid() else 12345))
tried("setgroups", lambda: os.setgroups([0, 4, 6]))
tried("su", run("su", "-c", "true", "root") if os.getuid() else run("false"))
status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
for name, wanted in (("CapEff", 0), ("CapPrm", 0), ("CapInh", 0), ("CapAmb", 0)):
    if int(status[name], 16) != wanted:
        found[name] = f"DONE {status[name]}"
if status["NoNewPrivs"] != "1":
    found["no new privileges"] = "DONE " + status["NoNewPrivs"]

# Others.
pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
tried("see the agent", lambda: os.kill(given["pid"], 0) if given["pid"] not in pids else os.getpid())
tried("signal all", lambda: os.kill(-1, 0) if len(pids) < 2 else (_ for _ in ()).throw(OSError(1, "counted below")))
for pid in set(pids) - {os.getpid()}:
    # The sandbox's own first process is an ordinary user's like the script, and can do no more.
    other = dict(line.split(":\t", 1) for line in open(f"/proc/{pid}/status").read().splitlines() if ":\t" in line)
    if other["Uid"] != status["Uid"]:
        tried(f"memory of {pid}", lambda pid=pid: os.open(f"/proc/{pid}/mem", os.O_RDWR))  # type: ignore[misc]
    elif any(other[name] != status[name] for name in ("CapEff", "CapPrm", "Seccomp", "NoNewPrivs")):
        found[f"power of {pid}"] = f"DONE {other['CapEff']}"
    tried(f"root of {pid}", lambda pid=pid: os.stat(f"/proc/{pid}/root{DATA}/secret"))  # type: ignore[misc]
if len(pids) > given.get("most", 4):
    found["processes of others"] = f"DONE {len(pids)}"
tried(
    "secrets in /proc",
    searched([path for part in ("environ", "cmdline") for path in glob.glob(f"/proc/[0-9]*/{part}")]),
)
tried(
    "secrets on disk", searched(below("/tmp", "/run", "/var/tmp", "/dev/shm", HOME, DATA, os.path.expanduser("~root")))
)
for path in ("host.json", "agent.lock", "attempts/other-1/work/secret", "run/doorbell", "cache/blobs"):
    tried(f"agent's {path}", lambda path=path: os.stat(f"{HOME}/{path}"))  # type: ignore[misc]
for path in ("secret", "db.sqlite3", "run/broker", "store"):
    tried(f"studio's {path}", lambda path=path: os.stat(f"{DATA}/{path}"))  # type: ignore[misc]
tried("shadow", lambda: os.open("/etc/shadow", os.O_RDONLY) if os.getuid() else 0)


# The studio's broker and its web port, as somebody whom nobody has let in.
def said(line: bytes) -> Callable[[], object]:
    def action() -> object:
        with socket.create_connection((given["host"], given["broker"]), 5) as link:
            link.sendall(line + b"\r\n")
            answer = link.recv(4096)
        if answer.startswith(b"-") or not answer:
            raise PermissionError(13, answer.decode(errors="replace").strip())
        return answer

    return action


def asked(method: str, path: str, headers: dict[str, str]) -> Callable[[], object]:
    def action() -> object:
        link = http.client.HTTPConnection(given["host"], given["web"], timeout=20)
        link.request(method, path, b"{}" if method != "GET" else None, {"Content-Type": "application/json", **headers})
        answer = link.getresponse()
        # To a session of another workspace this one does not exist.
        if answer.status in (401, 403) or (answer.status == 404 and "Cookie" in headers):
            raise PermissionError(13, str(answer.status))
        return f"{answer.status} {answer.read(200)!r}"

    return action


if given.get("broker"):
    for line in (
        b"PING", b"INFO", b"HELLO 3", b"AUTH password", b"AUTH default nopass", b"HELLO 3 AUTH default valkey", b"ACL WHOAMI",
        b"CONFIG GET requirepass", b"CONFIG SET requirepass x", b"RPUSH studio x", b"LPUSH studio x", b"PUBLISH studio x",
        b"SET x y", b"KEYS *", b"MONITOR", b"CLIENT LIST", b"REPLICAOF 127.0.0.1 1", b"EVAL 'return 1' 0", b"SHUTDOWN NOSAVE",
    ):  # fmt: skip
        tried(f"broker: {line.decode()}", said(line))
if given.get("web"):
    loopback = {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1", "Forwarded": "for=127.0.0.1"}
    for who, headers in (
        ("nobody", {}), ("a key that is none", {"Authorization": "Bearer " + "0" * 43}), ("a neighbour", loopback),
        ("a session of elsewhere", {"Cookie": given["session"]}),
        ("an owner by name", {"Remote-User": "ana", "X-Forwarded-User": "ana", "X-Remote-User": "ana"}),
    ):  # fmt: skip
        for method, path in (
            ("POST", "/agent/v1/exchange"), ("GET", "/api/v1/workspaces/"), ("GET", "/api/v1/workspaces/lab/runs/"),
            ("POST", "/api/v1/workspaces/lab/runs/"), ("GET", "/api/v1/workspaces/lab/tokens/"),
            ("PUT", "/agent/v1/attempts/00000000-0000-0000-0000-000000000001/1/log?offset=0"),
        ):  # fmt: skip
            if "Cookie" not in headers or "/lab/" in path:
                tried(f"web: {method} {path} as {who}", asked(method, path, headers))

# Places that others trust.
own = os.path.dirname(os.getcwd())
for path in (HOME, DATA, "/etc", "/usr/bin", "/", "/var", sys.prefix, os.path.dirname(os.__file__), os.path.dirname(HOME),
             *filter(None, given.get("shown", []))):  # fmt: skip
    if os.path.isdir(path) and not (path == os.path.dirname(HOME) and path.startswith("/tmp")):
        tried(f"write {path}", made(path))
if given.get("own", True):  # in a container the shim is the same user
    for name in ("launch.json", "spec.json", "staged.json", "log.data", "runner.lock", "pid.json", "passwd"):
        if os.path.exists(f"{own}/{name}"):
            open("mine", "w").close()
            tried(f"change {name}", written(f"{own}/{name}"))
            tried(f"replace {name}", lambda name=name: os.rename("mine", f"{own}/{name}"))  # type: ignore[misc]
            tried(f"remove {name}", lambda name=name: os.unlink(f"{own}/{name}"))  # type: ignore[misc]
    for name in ("finished.json", "status.json", "cancel"):
        tried(f"forge {name}", lambda name=name: os.close(os.open(f"{own}/{name}", os.O_CREAT | os.O_WRONLY)))  # type: ignore[misc]
    tried("swap work", lambda: os.rename(f"{own}/work", f"{own}/old"))
    tried("open the directory", lambda: os.chmod(own, 0o777))

print(json.dumps(found))
