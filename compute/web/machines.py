"""What a host has, as its page tells it. What its agent told is read with care: it is another machine's."""

from __future__ import annotations

from collections import Counter

from django.utils.translation import gettext as _

from compute.models import Host
from compute.services.host_summary import devices_of, part_of


class Described:
    """A row or a page that tells how its host runs steps."""

    host: Host

    @property
    def launcher(self) -> str:
        return launcher_words(self.host)

    @property
    def launcher_details(self) -> str:
        return launcher_details(self.host)

    @property
    def launcher_warning(self) -> str:
        return launcher_warning(self.host)


def devices(host: Host) -> list[tuple[int, str, int]]:
    """Its GPUs by model: how many, the model, bytes of memory of one (0: not told)."""
    kinds = Counter((str(each.get("name") or "GPU"), whole(each.get("memory"))) for each in devices_of(host))
    return [(count, name, memory) for (name, memory), count in kinds.items()]


def launcher_words(host: Host) -> str:
    """How it runs steps: containers of an engine, or isolated or plain processes."""
    if host.launcher == Host.Launcher.DOCKER:
        version = part_of(host, "engine").get("version")
        return _("containers, engine %(version)s") % {"version": version} if version else _("containers")
    return _("isolated processes") if part_of(host, "isolation").get("bwrap") else _("processes")


def launcher_details(host: Host) -> str:
    """The engine's runtimes, or what limits processes; empty if nothing was told."""
    if host.launcher == Host.Launcher.DOCKER:
        runtimes = part_of(host, "engine").get("runtimes")
        names = ", ".join(map(str, runtimes)) if isinstance(runtimes, list) else ""
        return _("runtimes: %(names)s") % {"names": names} if names else ""
    isolation = part_of(host, "isolation")
    if not isolation:
        return ""
    if not (version := isolation.get("cgroup")):
        return _("no control groups: memory is watched")
    return _("control groups %(version)s") % {"version": version}


def launcher_warning(host: Host) -> str:
    """What whoever enrolled it should not overlook; empty if there is nothing."""
    isolation = part_of(host, "isolation")
    if host.launcher == Host.Launcher.DOCKER or isolation.get("bwrap") or not isolation.get("root"):
        return ""
    return _(
        "Steps run as root on this host: its agent is root, and there is no bubblewrap. Install bubblewrap, or start the"
        " agent as a user of its own."
    )


def number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(value: object) -> int:
    """A size that was told, 0 if it is none."""
    return max(0, int(number(value) or 0))
