"""What a host has, as its page tells it. What its agent told is read with care: it is another machine's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from compute.models import Host


def devices(host: Host) -> list[tuple[int, str, int]]:
    """Its GPUs by model: how many, the model, bytes of memory of one (0: not told)."""
    told = [each for each in host.gpus if isinstance(each, dict)] if isinstance(host.gpus, list) else []
    kinds = Counter((str(each.get("name") or "GPU"), _whole(each.get("memory"))) for each in told)
    return [(count, name, memory) for (name, memory), count in kinds.items()]


def launcher_words(host: Host) -> str:
    """How it runs steps: containers of an engine, or processes with or without walls."""
    if host.launcher == Host.Launcher.DOCKER:
        version = _part(host, "engine").get("version")
        return _("containers, engine %(version)s") % {"version": version} if version else _("containers")
    return _("processes behind walls") if _part(host, "isolation").get("bwrap") else _("processes")


def launcher_details(host: Host) -> str:
    """The engine's runtimes, or what limits processes; empty if nothing was told."""
    if host.launcher == Host.Launcher.DOCKER:
        runtimes = _part(host, "engine").get("runtimes")
        names = ", ".join(map(str, runtimes)) if isinstance(runtimes, list) else ""
        return _("runtimes: %(names)s") % {"names": names} if names else ""
    isolation = _part(host, "isolation")
    if not isolation:
        return ""
    if not (version := isolation.get("cgroup")):
        return _("no control groups: memory is watched")
    return _("control groups %(version)s") % {"version": version}


def _part(host: Host, name: str) -> Mapping[str, Any]:
    part = host.facts.get(name) if isinstance(host.facts, dict) else None
    return part if isinstance(part, dict) else {}


def _whole(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else 0
