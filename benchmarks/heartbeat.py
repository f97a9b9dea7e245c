"""`heartbeat`: what one web process needs to hear of many hosts, each in the middle of its work."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

from benchmarks.bench_env import inside, studio
from benchmarks.registry import Sample, Setting, benchmark

BEATS = 2  # of each host in a round
PATIENCE_S = 30.0
FACTS = {
    "cores": 20, "memory": 20 << 30, "disk_free": 100 << 30, "gpus": [], "pythons": ["3.11.7"], "agent": "0.1.0",
    "started_at": "2026-01-01T00:00:00Z",
    # Of such a sample one in half a minute is kept: a third of the beats write it.
    "facts": {"disk_total": 200 << 30, "sample": {"at": "2026-01-01T00:00:00Z", "cpu": 0.4, "memory": 9 << 30, "disk_free": 100 << 30, "gpus": [
        {"uuid": f"GPU-{number}", "utilization": 0.9, "memory": 9 << 30, "temperature": 60} for number in range(4)
    ]}},
}  # fmt: skip


@benchmark("heartbeat", "ms", "value <= 250", database="postgres")
def heartbeat(setting: Setting) -> Iterator[Sample]:
    """The value is the 99th percentile of all answers of a round; one that tells of a lost attempt ends the benchmark.

    `poll_cpu_ms` is what the web process uses for a long poll of a period in which nothing happens, while every host holds one.
    """
    count, attempts = setting.size(500, 5), setting.size(20, 2)
    period = setting.size(10, 1)
    with studio(setting) as live:
        web = int(live.state["parts"]["web"])
        hosts = inside(live, "seed_hosts", str(count), str(attempts))["hosts"]
        with asyncio.Runner() as runner:
            crowd = SimulatedAgents(live.url, hosts, period)
            runner.run(crowd.beat())  # the first words of all hosts
            runner.run(crowd.wait(period))  # from the first polls on every answer comes in its own moment
            busy = cpu_seconds(web)
            polls = runner.run(crowd.wait(BEATS * period))
            cost = (cpu_seconds(web) - busy) / polls * 1000
            while True:
                began, busy = time.monotonic(), cpu_seconds(web)
                beats = runner.run(crowd.beat())
                share = (cpu_seconds(web) - busy) / (time.monotonic() - began)
                cuts = quantiles(beats, n=100, method="inclusive")
                yield Sample(cuts[98], None, {
                    "p50_ms": cuts[49], "worst_ms": max(beats), "web_cores": share, "poll_cpu_ms": cost,
                })  # fmt: skip


class SimulatedAgents:
    """Agents as the studio sees them: a call each period that says what they hold and renews its leases."""

    def __init__(self, url: str, hosts: list[dict[str, Any]], period: float) -> None:
        self.hosts, self.period = hosts, period
        self._place = urlsplit(url)

    async def beat(self) -> list[float]:
        """Two periods: each host beats in its own moment of each. The milliseconds of all answers."""
        ways = [self._beats(host, self.period * place / len(self.hosts)) for place, host in enumerate(self.hosts)]
        return [each for host in await asyncio.gather(*ways) for each in host]

    async def wait(self, seconds: float) -> int:
        """Every host holds a long poll, and the next one as soon as that is answered, for so long; how many were held."""
        ways = [self._waits(host, self.period * at / len(self.hosts), seconds) for at, host in enumerate(self.hosts)]
        return sum(await asyncio.gather(*ways))

    async def _beats(self, host: dict[str, Any], offset: float) -> list[float]:
        taken, began = [], time.monotonic()
        for turn in range(BEATS):
            await asyncio.sleep(max(0.0, began + offset + turn * self.period - time.monotonic()))
            sent = time.perf_counter()
            await self._call(host)
            taken.append((time.perf_counter() - sent) * 1000)
        return taken

    async def _waits(self, host: dict[str, Any], offset: float, seconds: float) -> int:
        await asyncio.sleep(offset)
        count = round(seconds / self.period)
        for _ in range(count):
            await self._call(host, self.period)
        return count

    async def _call(self, host: dict[str, Any], wait: float = 0) -> None:
        document = {
            "host": FACTS, "holding": [{"attempt": key, "epoch": 1} for key in host["attempts"]], "reports": [],
            "want": 4, "wait": wait,
        }  # fmt: skip
        async with asyncio.timeout(PATIENCE_S + wait):
            answer = await self._post("/agent/v1/exchange", host["key"], json.dumps(document).encode())
        if answer["drop"] or answer["refused"] or answer["cancel"]:
            raise RuntimeError(f"an attempt was lost while its host spoke: {answer}")

    async def _post(self, path: str, key: str, body: bytes) -> dict[str, Any]:
        """By hand: a library's pool of hundreds of open calls costs more than the web process that answers them."""
        reader, writer = await asyncio.open_connection(self._place.hostname, self._place.port)
        head = f"POST {path} HTTP/1.1\r\nHost: {self._place.netloc}\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        try:
            head_of_answer, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if head_of_answer.split(b" ", 2)[1:2] != [b"200"]:
            raise RuntimeError(f"the web answers {head_of_answer[:200]!r} {answer[:200]!r}")
        return dict(json.loads(unchunked(answer)))


def unchunked(body: bytes) -> bytes:
    """The body of an answer that came in pieces, each after its size."""
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return whole


def cpu_seconds(pid: int) -> float:
    """What a process has used of the cores so far."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0
