"""The agents' addresses (docs/wire.md, *Agents' API*)."""

from __future__ import annotations

from django.urls import path

from runs.agents import enrol, uploads
from runs.agents.exchange import exchange

urlpatterns = [
    path("install", enrol.install, name="host-installer"),
    path("package", enrol.package, name="host-package"),
    path("enrol", enrol.enrol, name="host-enrol"),
    path("exchange", exchange, name="agent-exchange"),
    path("attempts/<uuid:attempt>/<int:epoch>/log", uploads.log, name="agent-log"),
    path("attempts/<uuid:attempt>/<int:epoch>/spool", uploads.spool, name="agent-spool"),
    path("attempts/<uuid:attempt>/<int:epoch>/samples", uploads.samples, name="agent-samples"),
    path("attempts/<uuid:attempt>/<int:epoch>/ledger", uploads.ledger, name="agent-ledger"),
    path("attempts/<uuid:attempt>/<int:epoch>/share", uploads.share, name="agent-share"),
    path("attempts/<uuid:attempt>/<int:epoch>/addresses", uploads.addresses, name="agent-addresses"),
    path("attempts/<uuid:attempt>/<int:epoch>/parts", uploads.parts, name="agent-parts"),
    path("attempts/<uuid:attempt>/<int:epoch>/rendezvous", uploads.rendezvous, name="agent-rendezvous"),
    path("attempts/<uuid:attempt>/<int:epoch>/files/<file:transfer>", uploads.transfer, name="agent-transfer"),
    path("builds/<uuid:build>/log", uploads.build_log, name="agent-build-log"),
]
