"""`manage.py up` and `manage.py demo`."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import webbrowser

from studio.config import Config, load
from studio.supervisor.layout import Layout, Refusal
from studio.supervisor.running import AlreadyRunning, hold
from studio.supervisor.supervisor import Stopped, Supervisor


def parser_for(name: str) -> argparse.ArgumentParser:
    """The options of `up` and `demo`; the first three are settings, too, and were read already."""
    what = {"up": "Start the studio on this machine.", "demo": "Start the studio and run its sample pipeline."}
    parser = argparse.ArgumentParser(prog=f"manage.py {name}", description=what[name])
    add_options(parser, name)
    return parser


def add_options(parser: argparse.ArgumentParser, name: str) -> None:
    """Shared with Django's own command, so that `help` says the same."""
    parser.add_argument("--data-dir", help="folder of everything that the studio keeps (default: var)")
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (default: 8000)")
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    if name == "demo":
        parser.add_argument(
            "--exit", action="store_true", help="stop when the run is over; exit code 0 if it completed"
        )


def main(argv: list[str]) -> int:
    """Run the command; every foreseeable failure is one clear message."""
    options = parser_for(argv[0]).parse_args(argv[1:])
    # A database server is welcome here without a broker: one is about to be started.
    os.environ["DUTO_EMBEDDED"] = "1"
    config = load()
    layout = Layout(config.data_dir)
    try:
        layout.prepare()
        held = hold(layout)
    except Refusal as refusal:
        return print_refusal(str(refusal))
    except AlreadyRunning as running:
        return beside(argv[0], running, options)
    with held:
        return live(argv[0], config, layout, options)


def beside(name: str, running: AlreadyRunning, options: argparse.Namespace) -> int:
    """A studio runs here already: that is what `up` wants, and all that `demo` needs."""
    url, pid = running.state.get("url"), running.state.get("pid")
    if not url:
        return print_refusal("A studio is just starting on this data directory.")
    say(f"The studio is already running at {url} (process {pid}).")
    if name == "up":
        return 0
    from studio.supervisor import database, demo

    database.load_django()
    return demo.run(str(url), lambda: False, say)


def live(name: str, config: Config, layout: Layout, options: argparse.Namespace) -> int:
    """From the first start to the last stop."""
    supervisor: Supervisor | None = None
    try:
        supervisor = Supervisor(config, layout, say)
        link = supervisor.start()
        print_address(supervisor.url, link, layout)
        if name == "demo":
            code = follow(supervisor)
            if options.exit:
                return code
        elif not options.no_browser:
            open_browser(link or supervisor.url)
        supervisor.watch()
    except Stopped:
        pass
    except Refusal as refusal:
        return print_refusal(str(refusal))
    finally:
        if supervisor is not None:
            supervisor.stop()
    say("Stopped.")
    return 1 if supervisor is not None and supervisor.failed else 0


def follow(supervisor: Supervisor) -> int:
    """Submit the sample and show it, while the parts are still looked after."""
    from studio.supervisor import database, demo

    # Only a demo needs Django in this process.
    database.load_django()

    def between() -> bool:
        supervisor.look()
        return supervisor.stopping

    return demo.run(supervisor.url, between, say)


def print_address(url: str, link: str, layout: Layout) -> None:
    """All that a person needs to go on."""
    lines = ["", "  Duto is running.", "", f"  Address   {url}"]
    if link:
        lines.append(f"  Sign in   {link}  (works once)")
    lines += [f"  Data      {layout.home}", "", "  Ctrl-C stops it.", ""]
    print("\n".join(lines), flush=True)


def say(text: str) -> None:
    """One line for the person at the terminal, if there still is one: nobody's ear is no reason to end."""
    with contextlib.suppress(OSError):
        print(f"  {text}", flush=True)


def print_refusal(text: str) -> int:
    """The studio did not start; say why."""
    print(f"Duto did not start. {text}", file=sys.stderr, flush=True)
    return 1


def open_browser(address: str) -> None:
    """Only where a person sits: a terminal, and a screen."""
    has_screen = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_screen and sys.stdout.isatty():
        webbrowser.open(address)
