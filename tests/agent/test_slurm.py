"""What only a host of Slurm promises: jobs that wait, a controller that is away, and ends that others bring about."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from duto.spec.slurm import BadOption, options_of
from duto_agent.attempt.bindings import Bound
from duto_agent.attempt.causes import cause_of
from duto_agent.engine.errors import EngineAway
from duto_agent.host.launching import Identity, Unprotected
from duto_agent.host.slurm import SlurmHost
from duto_agent.launchers import slurm
from duto_agent.launchers.base import LaunchFailed, Probe, Reservation
from duto_agent.launchers.slurm import SUBMITTED
from duto_agent.slurm import queue
from duto_agent.slurm.client import (
    Held,
    Job,
    QueuePlace,
    SlurmClient,
    SlurmNode,
    gpus_of,
    held_of,
    job_of,
    node_of,
    places_of,
)
from duto_agent.slurm.nodes import summary
from duto_agent.slurm.queue import JobQueue
from duto_protocol.messages import NODES_MOST, HostFacts, MoreFacts
from duto_protocol.reading import builtins_of, of_document, written
from duto_protocol.values import Moment
from studio.testing.slurm import CORES, MEMORY_MB, NODES, SlurmCluster
from tests.agent.jobs import Jobs
from tests.agent.specs import step_of
from tests.agent.steps import until
from tests.agent.studio import Studio
from tests.agent.test_agent import Host

SLEEPS = "import time\nopen('ran', 'a').write('x')\ntime.sleep(60)"
GIB = 1 << 30


def cause_told(probe: Probe) -> str | None:
    assert probe.verdict is not None
    return cause_of(probe.verdict, step_of({}), Bound()).code


@contextmanager
def filled(cluster: SlurmCluster) -> Iterator[None]:
    """Somebody else's jobs have all cores."""
    for _ in range(NODES):
        cluster.ask("sbatch", f"-c{CORES}", "--mem=100M", "-J", "others", "-o", "none", "--wrap", "sleep 100")
    until(lambda: cluster.ask("squeue", "-h", "-n", "others", "-o", "%T").split() == ["RUNNING"] * NODES)
    try:
        yield
    finally:
        cluster.ask("scancel", "-n", "others")


@pytest.fixture
def full(jobs: Jobs) -> Iterator[None]:
    with filled(jobs.cluster):
        yield


@pytest.mark.slurm
@pytest.mark.usefixtures("full")
def test_a_job_that_waits_says_why_and_can_be_ended_before_it_begins(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = jobs.start(SLEEPS)
    assert jobs.launcher.probe(key).state == "pending"
    until(lambda: jobs.launcher.probe(key).reason in ("Resources", "Priority"))
    # Slurm works the start out a second after its first look at the job.
    monkeypatch.setattr(queue, "PLACES_S", 0.5)
    until(lambda: jobs.launcher.probe(key).start > time.time())
    assert jobs.launcher.probe(key).position == 1
    assert jobs.again().probe(key).state == "pending"  # a new agent does not take it for one that never started
    jobs.launcher.signal(key, 0)
    assert cause_told(jobs.wait(key)) == "canceled"
    assert not (jobs.launcher.directory(key) / "work/ran").exists()


@pytest.mark.slurm
@pytest.mark.usefixtures("full")
def test_what_was_submitted_by_an_agent_that_died_is_found_by_its_name(jobs: Jobs) -> None:
    launch = jobs.launch("pass")
    jobs.launcher.ensure(launch)
    jobs.again().ensure(launch)
    name = jobs.launcher.name(launch.key)
    assert len(jobs.cluster.ask("squeue", "-h", "-n", name).splitlines()) == 1
    # It died before the command: nothing is known of it there, so it is submitted.
    other = jobs.launch("pass")
    (jobs.launcher.directory(other.key) / SUBMITTED).write_text("{}")
    jobs.again().ensure(other)
    assert len(jobs.cluster.ask("squeue", "-h", "-n", jobs.launcher.name(other.key)).splitlines()) == 1


@pytest.mark.slurm
def test_a_job_that_slurm_forgot_before_it_began_is_lost_and_not_canceled(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the death of a controller, which saves its queue some seconds late. The studio tries the step again."""
    monkeypatch.setattr(slurm, "UNKNOWN_S", 0.0)
    launch = jobs.launch("pass")
    (jobs.launcher.directory(launch.key) / SUBMITTED).write_text("{}")
    assert jobs.launcher.probe(launch.key).state == "pending"
    assert jobs.wait(launch.key).state == "lost"
    assert cause_told(jobs.launcher.collect(launch.key)) == cause_told(jobs.again().probe(launch.key)) == "host_lost"


@pytest.mark.slurm
def test_steps_go_on_while_the_controller_is_away(jobs: Jobs) -> None:
    key = jobs.start("import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)")
    until(lambda: jobs.launcher.probe(key).state == "running")
    jobs.cluster.end("slurmctld")
    try:
        with pytest.raises(EngineAway, match="Slurm does not answer"):
            jobs.launcher.ensure(launch := jobs.launch("pass"))
        assert jobs.launcher.probe(key).state == "running"
        assert jobs.launcher.probe(launch.key).state == "pending"  # the command may have done its work
        (jobs.launcher.directory(key) / "work/go").touch()
        assert jobs.wait(key).verdict["exit_code"] == 0  # type: ignore[index]
    finally:
        jobs.cluster.start_controller()
    jobs.launcher.ensure(launch)
    assert jobs.wait(launch.key).state == "exited"


@pytest.mark.slurm
@pytest.mark.parametrize("script", ["obedient", "deaf"])
def test_a_job_that_somebody_cancels_in_slurm_is_told_as_that(jobs: Jobs, script: str) -> None:
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if script == "deaf" else ""
    launch = replace(jobs.launch(deaf + SLEEPS), grace_seconds=0.2)
    jobs.launcher.ensure(launch)
    until((launch.cwd / "ran").exists)
    jobs.cluster.ask("scancel", "-n", jobs.launcher.name(launch.key))
    jobs.wait(launch.key)
    found = jobs.launcher.collect(launch.key)
    # TERM reaches the shim, which ends the step as by a cancel; Slurm says that it was none of ours.
    assert found.verdict is not None and found.verdict["left_over"] == 0
    assert (found.verdict["slurm"], cause_told(found)) == ("CANCELLED", "lost")


@pytest.mark.slurm
def test_what_slurm_refuses_is_told_in_its_words(jobs: Jobs) -> None:
    launch = replace(jobs.launch("pass"), reserved=Reservation(cores=1, memory=100 * GIB))
    with pytest.raises(LaunchFailed, match=r"Slurm refuses the job: .*[Mm]emory"):
        jobs.launcher.ensure(launch)
    with pytest.raises(LaunchFailed, match="partition"):
        jobs.launcher.ensure(replace(jobs.launch("pass"), options={"slurm": "partition=nonesuch"}))
    with pytest.raises(LaunchFailed, match="no option that may be set"):
        jobs.launcher.ensure(replace(jobs.launch("pass"), options={"slurm": "output=/etc/passwd"}))


@pytest.mark.slurm
def test_a_step_gets_its_size_and_slurms_own_variables(jobs: Jobs) -> None:
    launch = jobs.launch("import os; print(os.environ['SLURM_CPUS_PER_TASK'], os.environ['SLURM_MEM_PER_NODE'])")
    jobs.launcher.ensure(replace(launch, reserved=Reservation(cores=1.5, memory=300 << 20)))
    jobs.wait(launch.key)
    assert (jobs.launcher.directory(launch.key) / "log.data").read_text() == "2 300\n"


@pytest.mark.slurm
def test_a_host_begins_once_a_node_has_seen_its_folder(jobs: Jobs, tmp_path: Path) -> None:
    given = {"slurm_conf": str(jobs.cluster.conf)}
    host = SlurmHost(tmp_path, Identity(jobs.installation, "login", ""), given)
    host.start()
    host.stop()
    assert (host.largest.cores, host.largest.memory, host.largest.gpus) == (CORES, MEMORY_MB << 20, 0)
    assert len(host.nodes) == NODES and {each.partitions for each in host.nodes} == {("batch",)}
    assert host.queue.sees_others and host.facts is not None
    assert (host.facts.count, host.facts.total.cores, host.facts.total.memory) == (
        NODES,
        NODES * CORES,
        NODES * MEMORY_MB << 20,
    )
    assert host.client.held("others") == {}
    with filled(jobs.cluster):
        of_others = host.client.held("others")
        assert {each.name for each in host.client.nodes()} == {*of_others}
        assert {*of_others.values()} == {Held(CORES, 100, 0)}
    assert [path.name for path in tmp_path.glob("slurm*")] == ["slurm.json"]
    wrong = SlurmHost(tmp_path, Identity(jobs.installation, "login", ""), given | {"slurm_python": "/no/python3"})
    with pytest.raises(Unprotected, match="DUTO_SLURM_PYTHON"):
        wrong.start()
    wrong.stop()


@pytest.mark.slurm
def test_an_agent_tells_why_a_step_waits_and_when_it_has_begun(
    slurm_cluster: SlurmCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "PLACES_S", 0.5)
    studio = Studio()
    given = {"launcher": "slurm", "slurm_conf": str(slurm_cluster.conf), "installation": f"a{os.getpid()}"}
    host = Host(tmp_path / "home", studio, **given)
    try:
        host.start()
        until((host.home / "slurm.json").exists)
        with filled(slurm_cluster):
            key = host.give("print('hello')")
            until(lambda: any(each.get("queue_position") == 1 for each in studio.reports))
            assert all(each.get("queue_reason") for each in studio.reports if "queue_position" in each)
            assert studio.report("started", key.attempt) is None
        assert studio.wait("finished", key.attempt)["exit_code"] == 0
        assert bytes(studio.logs[key.attempt]) == b"hello\n" and studio.report("started", key.attempt)
        facts = studio.exchanges[-1]["host"]
        assert (facts["launcher"], facts["cores"], facts["memory"]) == ("slurm", CORES, MEMORY_MB << 20)
        assert facts["facts"]["slurm"]["total"]["cores"] == NODES * CORES
    finally:
        host.close()
        studio.close()


def test_only_some_options_may_be_set() -> None:
    assert options_of("--partition=gpu qos=long exclusive") == {"partition": "gpu", "qos": "long", "exclusive": ""}
    for wrong in ("output=/etc/passwd", "wrap", "partition=", "'", "requeue", "partition=a\0b"):
        with pytest.raises(BadOption):
            options_of(wrong)


def test_an_end_that_is_asked_for_during_a_look_is_not_forgotten() -> None:
    """That look began before the job was submitted."""

    class Client(SlurmClient):
        looks = 0

        def jobs(self) -> dict[str, Job]:
            self.looks += 1
            if self.looks == 1:
                looking.set()
                ordered.wait(5)
                return {}
            return {} if canceled.is_set() else {"a": Job(1, "a", "PENDING")}

        def cancel(self, name: str, *options: str) -> None:
            canceled.set()

    looking, ordered, canceled = Event(), Event(), Event()
    queue = JobQueue(Client())
    queue.want()
    assert looking.wait(5)
    queue.end("a", 0)
    ordered.set()
    assert canceled.wait(5)
    queue.stop()


def test_lines_of_squeue_and_sinfo_are_read_or_left() -> None:
    assert job_of("7|PENDING|(Nodes down, or drained)|n/a|a|b").name == "a|b"  # type: ignore[union-attr]
    assert job_of("7_[1-4]|PENDING|Priority||x") is None and job_of("") is None
    assert (gpus_of("gpu:2080:4,shard:8"), gpus_of("gpu:1g.5gb:7(S:0),gpu:2")) == (4, 9)
    assert Job(7, "a", "RESV_DEL_HOLD").is_waiting
    node = node_of("n1|mixed~|3/5/0/8|64000|1024|gpu:a100:4(S:0-1)|gpu:a100:1(IDX:0)|long*|")
    assert node is not None
    assert (node.state, node.cores, node.cores_held, node.gpus, node.gpus_held) == ("mixed", 8, 3, 4, 1)
    assert (node.partitions, node_of("n1|idle"), gpus_of("gpu:2,gpu:v100:1"), gpus_of("(null)")) == (
        ("long",),
        None,
        3,
        0,
    )


@pytest.mark.parametrize(
    ("allocated", "asked", "held"),
    [
        ("cpu=2,mem=100M,node=1,billing=2", "N/A", Held(2, 100, 0)),
        ("cpu=8,mem=1.50T,node=1,gres/gpu=2,gres/gpu:a100=2", "gres:gpu:2", Held(8, 1572864, 2)),
        ("cpu=1,mem=2G", "gres/gpu:a100:4", Held(1, 2048, 4)),  # where it does not account for GPUs
        ("", "", Held()),
    ],
)
def test_what_a_job_holds_is_read(allocated: str, asked: str, held: Held) -> None:
    assert held_of(allocated, asked) == held


def test_places_are_those_of_a_partition_among_jobs_that_stand_in_line() -> None:
    answer = "\n".join([
        "batch|1796145875|Resources|theirs", "gpu|N/A|Resources|theirs", "batch,gpu|N/A|Priority|ours-1",
        "batch|1796146140|Priority|a|b", "batch|N/A|Dependency|ours-2", "batch|1796147000|Priority|ours-3", "", "batch|N/A|JobHeldUser|x",
    ])  # fmt: skip
    found = places_of(answer, {"ours-1", "ours-2", "ours-3"})
    assert found == {"ours-1": QueuePlace(2, 0), "ours-2": QueuePlace(0, 0), "ours-3": QueuePlace(4, 1796147000)}


def test_what_is_told_of_a_large_cluster_is_small_and_adds_up() -> None:
    nodes = [
        SlurmNode(f"n{n:04}", "mixed" if n % 2 else "down", 64, 32 * (n % 2), 1000, 500 * (n % 2), 4, n % 2, ("a", f"p{n % 300}"))
        for n in range(5000)
    ]  # fmt: skip
    answer = summary(nodes, {"n4999": Held(16, 900, 1), "gone": Held(1, 1, 1)}, Moment.present())
    assert (answer.count, answer.total.cores, answer.total.cores_held, answer.total.cores_ours) == (
        5000,
        320_000,
        80_000,
        16,
    )
    assert (answer.total.memory_ours, answer.total.gpus, answer.total.gpus_ours) == (500 << 20, 20_000, 1)
    whole = {each.state: each for each in answer.groups if each.partition == "a"}
    assert {state: (each.nodes, each.cores_ours) for state, each in whole.items()} == {
        "down": (2500, 0),
        "mixed": (2500, 16),
    }
    assert len(answer.groups) + answer.groups_left == 302
    assert [each.name for each in answer.named[:2]] == ["n4999", "n0000"] and len(answer.named) == NODES_MOST
    facts = HostFacts(facts=MoreFacts(slurm=answer))
    assert of_document(builtins_of(facts), HostFacts).message == facts and len(written(facts)) < 100_000
