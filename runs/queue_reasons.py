"""Why a job waits in the queue of Slurm, by Slurm's word for it: a sentence for people. Pure."""

from __future__ import annotations

import re
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.clock import now
from core.words import duration_text

# Slurm's words, by how they begin: the first that fits counts. Whoever reads the sentence sees the word, too, for Slurm's manual.
SENTENCES = (
    ("None", gettext_lazy("Slurm has its job, and has not looked for a place yet.")),
    ("Priority", gettext_lazy("Jobs with a higher priority are before it in Slurm's queue.")),
    ("Resources", gettext_lazy("It is the next in Slurm's queue, and waits for nodes to become free.")),
    (
        "ReqNodeNotAvail|Nodes_required|NodeDown|BootFail",
        gettext_lazy("Nodes of Slurm's that it needs are down, drained or reserved."),
    ),
    ("Reservation", gettext_lazy("It waits for its reservation in Slurm to begin.")),
    ("Licenses", gettext_lazy("It waits for licenses that other jobs in Slurm have.")),
    ("BeginTime", gettext_lazy("Slurm lets it begin at a later time.")),
    ("JobHeld", gettext_lazy("Somebody holds its job in Slurm, until it is released there.")),
    ("PartitionDown|PartitionInactive", gettext_lazy("Its partition in Slurm starts no jobs now.")),
    (
        r"Partition.*Limit|PartitionConfig|BadConstraints|.*MaxCpuPerNode|.*Max\w+PerJob",
        gettext_lazy(
            "It asks for more than its partition in Slurm has or allows, so it cannot begin. Cancel it, and choose a smaller "
            "size or another partition."
        ),
    ),
    (
        "QOS|Assoc|Max",
        gettext_lazy("A limit of Slurm's keeps it waiting until other jobs of its user or account have ended."),
    ),
    (
        "InvalidAccount|InvalidQOS",
        gettext_lazy("Slurm does not take its account or its QOS. Cancel it, and change them."),
    ),
)


def words(reason: str, position: int | None = None, start: datetime | None = None) -> str:
    """The sentence in the reader's language, with Slurm's own word; then which it is of its partition, and when it is
    expected to begin, as far as that is known."""
    sentences = [_why(reason)]
    if position:
        sentences.append(_("It is number %(n)d in the queue of its partition.") % {"n": position})
    if start is not None and (seconds := (start - now()).total_seconds()) > 0:
        time = {"time": duration_text(max(1, round(seconds / 60)) * 60), "moment": f"{start:%Y-%m-%d %H:%M} UTC"}
        sentences.append(_("Slurm expects it to begin in %(time)s (%(moment)s).") % time)
    return " ".join(sentences)


def _why(reason: str) -> str:
    word = reason.strip("()")
    found = next((text for begin, text in SENTENCES if re.match(begin, word.replace(" ", "_"))), None)
    if found is None:
        return _("It waits in Slurm's queue. Slurm's reason: %(reason)s.") % {"reason": word}
    return f"{found} ({word})"
