"""The reports of an exchange, each read by itself: one that is not understood costs no other."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, Struct

from duto_protocol.messages import AttemptReport, BuildReport, Exchange, Finished, ImageReport
from duto_protocol.reading import NotUnderstood, Reading, document_of, of_document, read

AnyReport = AttemptReport | Finished | BuildReport | ImageReport


class _Kind(Struct):
    """What tells reports apart. Whatever stands there."""

    build: object = UNSET
    image: object = UNSET
    event: object = UNSET


_kind = msgspec.json.Decoder(_Kind)


def reports_of(exchange: Exchange) -> tuple[list[Reading[AnyReport]], list[str]]:
    """The reports in their order, and the paths of entries that are none."""
    found: list[Reading[AnyReport]] = []
    wrong: list[str] = []
    for place, data in enumerate(exchange.reports or ()):
        try:
            found.append(_read(data))
        except NotUnderstood:
            wrong.append(f"reports[{place}]")
    return found, wrong


def report_of(document: object) -> Reading[AnyReport]:
    """A report that is a JSON document already. Raises NotUnderstood."""
    return of_document(document, _type(msgspec.convert(document, _Kind) if isinstance(document, dict) else _Kind()))


def _read(data: Raw) -> Reading[AnyReport]:
    try:
        kind = _type(_kind.decode(data))
    except (ValueError, RecursionError):
        return report_of(document_of(bytes(data)))
    return read(data, kind)


def _type(kind: _Kind) -> type[AnyReport]:
    if kind.build is not UNSET:
        return BuildReport
    if kind.image is not UNSET:
        return ImageReport
    return Finished if kind.event == "finished" else AttemptReport
