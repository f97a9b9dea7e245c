"""A parallel step on several nodes: a driver on each, with real processes; the studio's part is played by what it goes by."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from duto.parallel.ledger import placed
from duto.spec.ledger import merged
from runs.sharing import Shared
from tests.sdk.test_parallel_driver import Step

SLOW = "import os, time\ndef run(batch):\n    time.sleep(0.02)\n    return [os.path.basename(each) for each in batch]\n"


class Node(Step):
    """A node with what its agent does: bring what the driver asks, leave the answer."""

    def __init__(self, folder: Path, rank: int) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.rank, self.name, self.asked = rank, f"n{rank}", dict[str, Any]()
        self.process: subprocess.Popen[str] | None = None

    def begin(self, script: str, **settings: Any) -> None:
        shared = {"rank": self.rank, "answers": str(self.folder / "shares.json"), "folder": str(self.folder)}
        self.process = self.start(script, shared=shared, **settings)

    def ask(self) -> dict[str, Any] | None:
        asks = [each for _, _, each in placed(self.folder / "ledger.jsonl") if each.get("e") == "ask"]
        return asks[-1] if asks else None

    def done(self) -> set[int]:
        return {
            each["n"]
            for _, _, each in placed(self.folder / "ledger.jsonl")
            if each["e"] == "done" or (each["e"] == "fail" and each["final"])
        }

    def answer(self, **said: Any) -> None:
        new = self.folder / "new.json"
        new.write_text(json.dumps(said))
        new.replace(self.folder / "shares.json")


def play(nodes: list[Node], after: Callable[[list[Node], Shared], None] | None = None) -> list[int]:
    """Until all drivers have ended; how."""
    shared, lost, deadline = Shared(-1, ""), set[str](), time.monotonic() + 60
    while any(node.process is not None and node.process.poll() is None for node in nodes):
        assert time.monotonic() < deadline
        for node in nodes:
            assert node.process is not None
            ask = node.ask()
            if ask is None:
                continue
            shared = Shared(ask["count"], ask["plan"]) if shared.count < 0 else shared
            assert (ask["count"], ask["plan"]) == (shared.count, shared.plan)
            if node.process.poll() is not None:
                if node.name not in lost:
                    lost.add(node.name)
                    shared.lose(node.name, node.done())
                continue
            shared.ask(node.name, ask["q"], ask["processes"], ask["idle"], len(nodes))
            there = [each for each in nodes if each.process is not None and each.process.poll() is None]
            is_done = shared.is_done([each.name for each in there])
            head = there[0] if there else node
            joins = is_done and node is head and len(there) == 1
            others = [each for each in nodes if each is not node and (each.folder / "ledger.jsonl").exists()]
            for each in others if joins else ():
                copy = node.folder / f"{each.name}.jsonl"
                if not copy.exists():  # once, for the driver may be reading it by now
                    shutil.copy(each.folder / "ledger.jsonl", copy)
            elsewhere = {"failed": 0, "items_failed": 0}
            node.answer(
                asked=shared.asked[node.name], ranges=shared.given[node.name], over=is_done and node is not head,
                join=joins, ledgers=[f"{each.name}.jsonl" for each in others] if joins else [], **elsewhere,
            )  # fmt: skip
        if after is not None:
            after(nodes, shared)
        time.sleep(0.02)
    return [node.process.wait() for node in nodes if node.process is not None]


def start(tmp_path: Path, script: str, count: int, **settings: Any) -> tuple[list[Node], list[str]]:
    tmp_path.mkdir(exist_ok=True)
    nodes = [Node(tmp_path / str(rank), rank) for rank in range(2)]
    for node in nodes:
        names = node.files(count)
        node.begin(script, node_count=2, **settings)
    return nodes, names


def test_each_mini_batch_is_done_once_on_some_node_and_the_rows_are_in_the_order_of_the_input(tmp_path: Path) -> None:
    nodes, names = start(tmp_path, SLOW, 60)
    assert play(nodes) == [0, 0]
    assert nodes[0].rows() == names and not (nodes[1].folder / "rows/parallel_run_step.txt").exists()
    own = [
        {each["n"] for _, _, each in placed(node.folder / "ledger.jsonl") if each["e"] == "done" and "from" not in each}
        for node in nodes
    ]
    assert all(own) and not own[0] & own[1] and own[0] | own[1] == set(range(60))
    both = merged([node.progress for node in nodes])
    assert (both.count, both.done, both.failed, both.items_done, len(both.workers)) == (60, 60, 0, 60, 4)
    assert "60 of 60 mini-batches done" in (
        nodes[0].process.stdout.read() if nodes[0].process and nodes[0].process.stdout else ""
    )
    assert (nodes[1].folder / "work/logs/sys/node/1/job_result.txt").exists()


def test_a_node_that_dies_costs_what_it_was_at(tmp_path: Path) -> None:
    nodes, names = start(tmp_path, SLOW, 80)
    struck = []

    def strike(nodes: list[Node], shared: Shared) -> None:
        if not struck and len(nodes[1].done()) > 5 and nodes[1].process is not None:
            struck.append(1)
            os.kill(nodes[1].process.pid, signal.SIGKILL)

    codes = play(nodes, strike)
    assert struck and codes == [0, -signal.SIGKILL]
    assert nodes[0].rows() == names


def test_what_one_node_gave_up_stays_so_and_counts_for_all(tmp_path: Path) -> None:
    script = SLOW.replace(
        "    return", "    if '007' in batch[0] or '033' in batch[0]:\n        raise ValueError('no')\n    return"
    )
    nodes, names = start(tmp_path / "few", script, 40, error_threshold=2, run_max_try=1)
    assert play(nodes) == [0, 0]
    assert nodes[0].rows() == [each for each in names if each not in ("f007.txt", "f033.txt")]
    nodes, _ = start(tmp_path / "many", script, 40, error_threshold=1, run_max_try=1)
    assert 1 in play(nodes)


def test_what_an_earlier_run_has_done_is_taken_over_on_every_node(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    first = Node(tmp_path / "first/0", 0)
    names = first.files(40)
    assert first.run(SLOW)[0] == 0
    kept = tmp_path / "kept.jsonl"
    lines = (first.folder / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    kept.write_bytes(b"".join(each for each in lines if b'"n":7,' not in each and b'"n":38,' not in each))
    nodes = [Node(tmp_path / str(rank), rank) for rank in range(2)]
    for node in nodes:
        node.files(40)
        node.begin(SLOW, node_count=2, earlier=[kept])
    assert play(nodes) == [0, 0]
    assert nodes[0].rows() == names
