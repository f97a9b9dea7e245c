"""Makes this machine a host of a Duto studio. The page Compute shows the command:

    curl -fsSL STUDIO/agent/v1/install | python3 - --token TOKEN

Needs Linux, Python 3.11 or later with venv and pip, and the package index that pip knows. Running it again upgrades
and restarts the agent; its name, its key and the steps that it runs stay.
"""

import argparse
import hashlib
import http.client
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import urllib.request
from pathlib import Path

STUDIO = ""
NEEDS = (3, 11)
UNIT = "duto-agent.service"


class Refusal(Exception):
    """What stands in the way, and what to do about it."""


def main() -> int:
    options = arguments()
    try:
        check(options)
        options.home.mkdir(parents=True, exist_ok=True)
        release = install(options)
        enrol(options, release)
        switch(options.home, release)
        (options.home / UNIT).write_text(unit(options.home))
        if options.start:
            start(options.home)
        else:
            say("installed; start it with: %s" % " ".join(command(options.home)))
    except Refusal as refusal:
        print("duto-agent: %s" % refusal, file=sys.stderr)
        return 1
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="install", description="Makes this machine a host of a Duto studio.")
    parser.add_argument("--token", default="", help="from the page Compute; needed once")
    parser.add_argument("--name", default="", help="how this host is called; the machine's own name otherwise")
    parser.add_argument("--home", type=Path, default=default_home(), help="the agent's folder (%(default)s)")
    parser.add_argument("--studio", default=STUDIO, help="the studio's address (%(default)s)")
    parser.add_argument("--no-start", dest="start", action="store_false", help="install and enrol only")
    options = parser.parse_args()
    options.home, options.studio = options.home.expanduser().resolve(), options.studio.rstrip("/")
    return options


def default_home() -> Path:
    return Path("/var/lib/duto-agent") if os.geteuid() == 0 else Path("~/.duto-agent")


def check(options: argparse.Namespace) -> None:
    if sys.version_info < NEEDS:
        raise Refusal(
            "Python %d.%d or later is needed; this is %s. Install one and use it in place of python3."
            % (*NEEDS, sys.version.split()[0])
        )
    if not options.studio:
        raise Refusal("Say where the studio is: --studio http://...")
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Refusal("Python's venv is missing. On Debian and Ubuntu: apt install python3-venv") from None


def install(options: argparse.Namespace) -> Path:
    """The folder of the release that the studio has now, with its own environment; made once."""
    data, digest = fetch(options.studio)
    release: Path = options.home / "releases" / digest[:16]
    if release.is_dir():
        say("release %s is here already" % release.name)
        return release
    draft = release.with_name("%s.tmp.%d" % (release.name, os.getpid()))
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            tar.extractall(draft, filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(draft)
        make_environment(draft)
        draft.rename(release)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return release


def fetch(studio: str) -> "tuple[bytes, str]":
    """What the studio hands out, checked against the digest that it tells."""
    try:
        with urllib.request.urlopen(studio + "/agent/v1/package", timeout=60) as answer:
            data, digest_given = answer.read(), answer.headers.get("X-Duto-Digest", "")
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise Refusal("The studio %s cannot be reached: %s" % (studio, error)) from error
    found = hashlib.sha256(data).hexdigest()
    if found != digest_given:
        raise Refusal("What came from %s is damaged, or it is no Duto studio. Try again." % studio)
    return data, found


def make_environment(release: Path) -> None:
    """The environment is found by its `python`; our own packages lie beside it and are named in a path file."""
    say("installing what the agent needs (a minute or two)")
    call([sys.executable, "-m", "venv", str(release / "env")], "The environment cannot be made")
    python = release / "env" / "bin" / "python"
    listed = str(release / "requirements.txt")
    call([str(python), "-m", "pip", "install", "--quiet", "-r", listed], "pip cannot install what the agent needs")
    for packages in (release / "env" / "lib").glob("python*/site-packages"):
        # From the packages up to the release: the folder is renamed once it is whole.
        (packages / "duto-agent.pth").write_text("../../../../src\n")


def call(words: "list[str]", trouble: str) -> None:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    if done.returncode:
        raise Refusal("%s:\n%s" % (trouble, done.stdout[-3000:].strip()))


def enrol(options: argparse.Namespace, release: Path) -> None:
    """The agent does it; a key that the studio still takes is kept."""
    words = [str(release / "env/bin/python"), "-m", "duto_agent", "enrol", "--home", str(options.home)]
    words += ["--studio", options.studio, "--name", options.name, "--token", "-"]
    if subprocess.run(words, input=options.token + "\n", universal_newlines=True).returncode:
        raise Refusal("not enrolled")


def switch(home: Path, release: Path) -> None:
    """`current` names the release that is in use, always."""
    draft = home / ("current.tmp.%d" % os.getpid())
    draft.symlink_to(release)
    draft.replace(home / "current")


def command(home: Path) -> "list[str]":
    return [str(home / "current/env/bin/python"), "-m", "duto_agent", "run", "--home", str(home)]


def unit(home: Path) -> str:
    """The agent as a service of systemd, which then also lets it make control groups for its steps."""
    return """[Unit]
Description=Agent of a Duto studio
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
ExecStart=%s
# Steps outlive their agent: only the agent itself is stopped with the service.
KillMode=process
Delegate=yes
Restart=always
RestartSec=5

[Install]
WantedBy=%s
""" % (
        " ".join(quoted(word, is_first=not place) for place, word in enumerate(command(home))),
        "multi-user.target" if os.geteuid() == 0 else "default.target",
    )


def quoted(word: str, is_first: bool) -> str:
    """A word of a command as systemd reads it. Of the first, the program, it takes neither variables nor quotes and backslashes."""
    if re.fullmatch(r"[\w@+=:,./-]+", word, re.ASCII):
        return word
    for special in "\\", '"':
        word = word.replace(special, "\\" + special)
    return '"%s"' % (word if is_first else word.replace("$", "$$")).replace("%", "%%")


def start(home: Path) -> None:
    """In the background, in the place of the one that ran before; steps go on meanwhile."""
    stop(home)
    with (home / "agent.log").open("ab") as log:
        begun = log.tell()
        process = subprocess.Popen(
            command(home), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd=str(home)
        )
    (home / "agent.pid").write_text(str(process.pid))
    for _ in range(30):
        time.sleep(0.1)
        if process.poll() is not None:
            with (home / "agent.log").open("rb") as log:
                log.seek(begun)
                raise Refusal("The agent ended at once:\n%s" % log.read().decode("utf-8", "replace").strip())
    say("started; its log is %s" % (home / "agent.log"))
    say("stop it:  kill $(cat %s)   (steps go on)" % (home / "agent.pid"))
    say("start it: %s" % " ".join(command(home)))


def stop(home: Path) -> None:
    """End the agent that this home's note names, if it is one."""
    pid = running(home)
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    for _ in range(300):
        if running(home) != pid:
            return
        time.sleep(0.1)
    raise Refusal("The agent with process id %d does not end. End it, then run this again." % pid)


def running(home: Path) -> "int | None":
    """The process id of this home's agent; None when there is none. Ids are given again: the command is looked at."""
    try:
        pid = int((home / "agent.pid").read_text())
        words = Path("/proc/%d/cmdline" % pid).read_bytes().split(b"\0")
    except (OSError, ValueError):
        return None
    return pid if b"duto_agent" in words and os.fsencode(str(home)) in words else None


def say(text: str) -> None:
    print("duto-agent: %s" % text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
