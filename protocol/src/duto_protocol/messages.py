"""The messages of the agents' API (docs/protocol.md). Both sides import them; nobody else says what they hold."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final, Literal, Self

from msgspec import UNSET, Meta, Raw, UnsetType, structs

from duto.spec.sentences import Said, is_made_of
from duto_protocol.reading import builtins_of
from duto_protocol.values import Amount, Bytes, Code, Message, Moment, Name, Share, Short, Text, Whole

# Grows when what is said changes its meaning. A field that is added needs no new one: who does not know it leaves it out,
# and who does not get it has its default.
VERSION: Final = 1
SPOKEN: Final = frozenset({"1"})

STORED_MOST = 10_000
# Sources of inputs that a host tells of, and the letters of their names.
SOURCES_MOST, SOURCE_LENGTH = 100, 16
RANKS_MOST = 64
# Parts of a file (S3 takes 10,000), and files in one question for them.
PARTS_MOST, PARTS_FILES = 9_000, 500
# Partitions by state, and nodes by name, that a host of Slurm tells of.
GROUPS_MOST, NODES_MOST = 200, 100
# Files of one question for addresses of inputs.
ADDRESSES_MOST = 500
Absent = UnsetType


# --- host facts ---


class Device(Message, frozen=True):
    """A graphics processor."""

    uuid: Name
    index: Annotated[int, Meta(ge=0, le=1024)] | Absent = UNSET
    name: Annotated[str, Meta(max_length=128)] | Absent = UNSET
    memory: Bytes | Absent = UNSET


class DeviceReading(Message, frozen=True):
    """What a device does now; null where its driver does not tell."""

    uuid: Name
    utilization: Share | Absent | None = UNSET
    memory: Bytes | Absent | None = UNSET
    temperature: Annotated[int, Meta(ge=-100, le=1000)] | Annotated[float, Meta(ge=-100, le=1000)] | Absent | None = (
        UNSET
    )


class StepSample(Message, frozen=True):
    """What a step uses: a line of its samples. `cpu` (seconds of all cores), `read` and `written` (bytes of disks) are
    counted from its start, `gpus` are the devices that its node holds."""

    at: Moment
    cpu: Amount
    memory: Amount
    read: Amount
    written: Amount
    processes: Whole | Absent = UNSET
    gpus: Annotated[list[DeviceReading], Meta(max_length=64)] | Absent = UNSET


class HostSample(Message, frozen=True):
    """What a host uses now."""

    at: Moment | Absent = UNSET
    cpu: Share | Absent = UNSET
    memory: Bytes | Absent = UNSET
    disk_free: Bytes | Absent = UNSET
    gpus: Annotated[list[DeviceReading], Meta(max_length=64)] | Absent = UNSET


class Engine(Message, frozen=True):
    """A container engine, as it tells of itself."""

    name: Text | Absent = UNSET
    version: Short | Absent = UNSET
    api: Short | Absent = UNSET
    runtimes: Annotated[list[Short], Meta(max_length=32)] | Absent = UNSET
    cdi: bool | Absent = UNSET


class Stored(Message, frozen=True):
    """A thing that lies on a host's disk."""

    key: Annotated[str, Meta(min_length=1, max_length=255)]
    bytes: Bytes | Absent = UNSET
    used_at: Moment | Absent | None = UNSET
    in_use: bool | Absent = UNSET


class Storage(Message, frozen=True):
    """What an agent has on its disk, by kind."""

    attempts: Annotated[list[Stored], Meta(max_length=STORED_MOST)] | Absent = UNSET
    environments: Annotated[list[Stored], Meta(max_length=STORED_MOST)] | Absent = UNSET
    images: Annotated[list[Stored], Meta(max_length=STORED_MOST)] | Absent = UNSET


class Isolation(Message, frozen=True):
    """How steps are kept apart on a host."""

    bwrap: bool | Absent = UNSET
    cgroup: Literal["v1", "v2"] | Absent | None = UNSET
    root: bool | Absent = UNSET


class SlurmShare(Message, frozen=True, kw_only=True):
    """What nodes of Slurm's have, of that what jobs hold, and of that what jobs of this studio's do; memory in bytes."""

    cores: Whole = 0
    cores_held: Whole = 0
    cores_ours: Whole = 0
    memory: Bytes = 0
    memory_held: Bytes = 0
    memory_ours: Bytes = 0
    gpus: Whole = 0
    gpus_held: Whole = 0
    gpus_ours: Whole = 0


class SlurmGroup(SlurmShare, frozen=True, kw_only=True):
    """The nodes of one state in one partition. A node of several partitions counts in each."""

    partition: Text = ""
    state: Short = ""
    nodes: Whole = 0


class SlurmNode(SlurmShare, frozen=True, kw_only=True):
    """A node of Slurm's."""

    name: Text = ""
    state: Short = ""
    partitions: Annotated[list[Text], Meta(max_length=32)] = []


class SlurmNodes(Message, frozen=True):
    """The nodes of a cluster of Slurm's: how many, their sums, and some of them by name, those with jobs of the studio's
    first. `groups_left` were not told for want of room."""

    at: Moment | None = None
    count: Whole = 0
    total: SlurmShare = SlurmShare()
    groups: Annotated[list[SlurmGroup], Meta(max_length=GROUPS_MOST)] = []
    groups_left: Whole = 0
    named: Annotated[list[SlurmNode], Meta(max_length=NODES_MOST)] = []


class MoreFacts(Message, frozen=True):
    """Facts of a host that are kept as they are told."""

    disk_total: Bytes | Absent = UNSET
    engine: Engine | Absent | None = UNSET
    storage: Storage | Absent = UNSET
    isolation: Isolation | Absent = UNSET
    sample: HostSample | Absent = UNSET
    slurm: SlurmNodes | Absent = UNSET
    conda: Text | Absent = UNSET
    # The version of its R; empty where it has none.
    r: Text | Absent = UNSET
    # The versions of its Javas: 8, 17.
    # What else it can do, in words of `runs.services.scheduling.abilities`.
    abilities: Annotated[list[Annotated[str, Meta(max_length=32)]], Meta(max_length=32)] | Absent = UNSET
    java: Annotated[list[Annotated[int, Meta(ge=1, le=999)]], Meta(max_length=32)] | Absent = UNSET


class HostFacts(Message, frozen=True):
    """What a host tells of itself with each exchange. What is absent, or not understood, stays as it was told before."""

    cores: Annotated[int, Meta(ge=0, le=65_536)] | Annotated[float, Meta(ge=0, le=65_536)] | Absent = UNSET
    memory: Bytes | Absent = UNSET
    disk_free: Bytes | Absent = UNSET
    gpus: Annotated[list[Device], Meta(max_length=64)] | Absent = UNSET
    pythons: Annotated[list[Annotated[str, Meta(max_length=32)]], Meta(max_length=64)] | Absent = UNSET
    environments: Annotated[list[Text], Meta(max_length=STORED_MOST)] | Absent = UNSET
    agent: Text | Absent = UNSET
    # Bytes in its cache of what inputs read, by its name (`InputSpec.source`).
    cached_inputs: (
        Annotated[
            dict[Annotated[str, Meta(min_length=SOURCE_LENGTH, max_length=SOURCE_LENGTH)], Bytes],
            Meta(max_length=SOURCES_MOST),
        ]
        | Absent
    ) = UNSET
    launcher: Literal["process", "docker", "slurm"] | Absent = UNSET
    started_at: Moment | Absent = UNSET
    store_marker: Short | Absent | None = UNSET
    facts: MoreFacts | Absent = UNSET


# --- reports ---


class Parts(Message, frozen=True):
    """What a sentence is made of: a code of `duto.spec.sentences` and its facts, of which one may be a sentence itself."""

    code: str
    facts: dict[str, str | int | float | bool | SaidFact | None] = {}


class SaidFact(Parts, frozen=True, kw_only=True):
    """A sentence that is a fact of another one."""

    text: str


def parts_of(sentence: Said) -> Parts:
    """What this sentence is made of."""
    return Parts(sentence.code, {name: _fact(each) for name, each in sentence.facts.items()})


def _fact(value: Any) -> Any:
    if not isinstance(value, Said):
        return value
    inner = parts_of(value)
    return SaidFact(inner.code, inner.facts, text=str.__str__(value))


def made_of(parts: Parts, text: str) -> dict[str, Any] | None:
    """These parts as a document, if they say this text in English: those of another release may say something else."""
    document: dict[str, Any] = builtins_of(parts)
    return document if is_made_of(text, document) else None


class Report(Message, frozen=True):
    """What all reports have: the event, and what their sentences are made of."""

    event: str = ""
    said: dict[str, Parts] | Absent = UNSET

    def parts_of(self, text: str) -> dict[str, Any] | None:
        """What this text of the report is made of, if the report says so and it is true."""
        found = (self.said or {}).get(text)
        return made_of(found, text) if found is not None else None

    def sentences(self) -> list[str]:
        """Its texts for people."""
        return []

    def with_said(self) -> Self:
        """The same report, with what its sentences are made of."""
        found = {str.__str__(each): parts_of(each) for each in self.sentences() if isinstance(each, Said)}
        return structs.replace(self, said={**(self.said or {}), **found}) if found else self


class Transfer(Message, frozen=True):
    """How far bytes of a step are on their way, or how they came. `cached`: of those that are done the ones that its host had
    already; `rate`: bytes a second of late, without these."""

    done: Bytes = 0
    total: Bytes = 0
    files: Whole = 0
    files_total: Whole = 0
    cached: Bytes = 0
    files_cached: Whole = 0
    seconds: Amount = 0
    rate: Bytes = 0


class Transfers(Message, frozen=True):
    """The ways of a step's bytes: `inputs` to its host, `uploads` from there to the studio, `outputs` to a store that lies
    elsewhere, from the host itself or from the studio. A way that nothing went is absent."""

    inputs: Transfer | Absent = UNSET
    uploads: Transfer | Absent = UNSET
    outputs: Transfer | Absent = UNSET


class AttemptReport(Report, frozen=True):
    """An attempt has come so far: `preparing`, `started`, `collecting`. The first and the last are told again while bytes
    come and go."""

    attempt: str = ""
    epoch: int = -1
    at: Moment | None = None
    detail: str | Absent = UNSET
    # Of `preparing`, where what runs the step has a queue of its own: why it waits there, in a word of that queue.
    queue_reason: Short | Absent = UNSET
    # And, where that queue tells: which it is of those that wait there (1: the next), and when it is expected to begin.
    queue_position: Annotated[int, Meta(ge=1, le=1_000_000_000)] | Absent = UNSET
    queue_start: Moment | Absent = UNSET
    pid: int | Absent | None = UNSET
    transfers: Transfers | Absent = UNSET


class FileEntry(Message, frozen=True):
    """A line of a manifest."""

    path: str
    size: Bytes
    digest: str


class OutputEntry(Message, frozen=True):
    """An output of a step as it was found. `is_sent`: its files lie at their store as parts, which the studio has yet to commit."""

    name: str
    is_directory: bool = False
    files: list[FileEntry] = []
    missing: bool = False
    is_sent: bool | Absent = UNSET


class ArtifactEntry(Message, frozen=True):
    """A file in a watched folder."""

    path: str
    size: Bytes = 0
    digest: str = ""


class Traceback(Message, frozen=True):
    """The last frame that lies in the user's own files."""

    file: str | Absent | None = UNSET
    line: int | Absent | None = UNSET
    text: str | Absent = UNSET


class Usage(Message, frozen=True):
    """What a step has used in all."""

    cpu_seconds: Amount | Absent | None = UNSET
    max_rss: Bytes | Absent | None = UNSET
    wall_seconds: Amount | Absent | None = UNSET
    peak_memory: Bytes | Absent | None = UNSET


class Proof(Message, frozen=True):
    """What was seen after the processes of a step were ended."""

    left_over: Amount
    signals: list[str]
    seconds: Amount
    container: str | Absent = UNSET


class RankEnd(Message, frozen=True):
    """How a process of a step ended."""

    rank: Annotated[int, Meta(ge=0, lt=RANKS_MOST)]
    role: Literal["worker", "ps"] = "worker"
    exit_code: Code | None = None
    signal: Code | None = None
    # Whether it was ended since another one had failed, or was no more needed.
    was_ended: bool = False


class Finished(AttemptReport, frozen=True):
    """The verdict on an attempt."""

    # The verdict means something else without these: a report in which one is not understood is refused.
    DECISIVE: ClassVar[tuple[str, ...]] = ("exit_code", "cause", "canceled", "outputs", "left_at")

    exit_code: Code | None = None
    signal: Code | Absent | None = UNSET
    cause: str | None = None
    canceled: bool | Absent | None = UNSET
    message: str | None = ""
    traceback: Traceback | Absent | None = UNSET
    usage: Usage | Absent | None = UNSET
    proof: Proof | Absent | None = UNSET
    outputs: list[OutputEntry] | Absent | None = UNSET
    artifacts: list[ArtifactEntry] | Absent | None = UNSET
    warnings: list[str] | Absent | None = UNSET
    left_at: str | Absent | None = UNSET
    log_size: Whole | Absent = UNSET
    spool_size: Whole | Absent = UNSET
    log_dropped: Whole | Absent | None = UNSET
    left_over: Whole | Absent | None = UNSET
    ranks: Annotated[list[RankEnd], Meta(max_length=RANKS_MOST)] | Absent | None = UNSET
    # When the script began, where its `started` travels in the same call.
    started_at: Moment | Absent | None = UNSET

    def sentences(self) -> list[str]:
        return [self.message or "", *(self.warnings or ())]


class BuildReport(Report, frozen=True):
    """The build of an environment: `started`, `ready`, `failed`."""

    build: str = ""
    lock: str | Absent | None = UNSET
    python: str | Absent | None = UNSET
    message: str | Absent | None = UNSET
    warnings: list[str] | Absent | None = UNSET
    # Of agents that made it themselves; the studio makes its own.
    lock_digest: str | Absent | None = UNSET

    def sentences(self) -> list[str]:
        return [self.message or "", *(self.warnings or ())]


class Progress(Message, frozen=True):
    """How far a build or a fetch is."""

    done: int = 0
    total: int = 0
    text: str = ""
    unit: str = "steps"


class ImageReport(Report, frozen=True):
    """An image of a host: `building`, `ready`, `failed`, `removed`."""

    image: str = ""
    attempt: str | Absent | None = UNSET
    lock_digest: str | Absent = UNSET
    recipe: dict[str, str] | Absent = UNSET
    at: Moment | Absent | None = UNSET
    progress: Progress | Absent | None = UNSET
    size: int | Absent = UNSET
    image_id: str | Absent = UNSET
    fetched: bool | Absent = UNSET
    message: str | Absent = UNSET

    def sentences(self) -> list[str]:
        return [self.message or "", self.progress.text if self.progress else ""]


# --- exchange ---


class Held(Message, frozen=True):
    """An attempt that an agent holds."""

    attempt: str
    epoch: int


class Exchange(Message, frozen=True):
    """What an agent says. Each report is a message of its own (`reports_of`)."""

    host: HostFacts | None = None
    holding: list[Held] | None = None
    reports: list[Raw] | None = None
    want: int | float | None = None
    wait: int | float | None = None


class Refusal(Message, frozen=True):
    """A report that was not taken, and why."""

    attempt: str = ""
    epoch: int = 0
    code: str = ""
    message: str | Absent = UNSET


class Work(Message, frozen=True):
    """An attempt or a build that is to be carried out; its spec is a message of its own (`LaunchSpec`, `BuildSpec`)."""

    type: str
    spec: Raw
    attempt: str | Absent = UNSET
    epoch: int | Absent = UNSET
    build: str | Absent = UNSET


class Cancel(Message, frozen=True):
    """An attempt that is to end, or an image that is to be made no further."""

    attempt: str | Absent = UNSET
    epoch: int | Absent = UNSET
    grace_seconds: Amount | Absent = UNSET
    image: str | Absent = UNSET
    by: str | Absent = UNSET


class Drop(Message, frozen=True):
    """An attempt whose directory may go."""

    attempt: str


class Keep(Message, frozen=True):
    """Days after which an agent removes what nobody uses; null keeps for ever."""

    attempts: Amount | None = None
    environments: Amount | None = None
    images: Amount | None = None


class Answer(Message, frozen=True):
    """What the studio answers."""

    work: list[Work] = []
    cancel: list[Cancel] = []
    drop: list[Drop] = []
    refused: list[Refusal] = []
    lease_seconds: Amount | None = None
    keep: Keep | None = None


# --- launch spec ---


class SnapshotFile(Message, frozen=True):
    """A file of a step's code."""

    path: str
    digest: str = ""
    size: Bytes | None = None
    executable: bool = False
    get: str | None = None
    direct: str | None = None


class SnapshotSpec(Message, frozen=True):
    """A step's code."""

    digest: str = ""
    files: list[SnapshotFile] = []


class RPackage(Message, frozen=True):
    """A package of R, of an exact version or as its repository has it, and the address of that."""

    name: str = ""
    version: str | None = None
    repository: str = ""


class RSpec(Message, frozen=True):
    """What a step's library of R holds; `sources` are addresses of archives, `cran` has what those need."""

    version: str | None = None
    packages: list[RPackage] = []
    sources: list[str] = []
    cran: str = ""


class EnvironmentSpec(Message, frozen=True):
    """What a step's Python has installed, or which interpreter of the host it uses."""

    key: str | None = None
    lock: str | None = None
    python: str | None = None
    user_managed: bool = False
    interpreter: str | None = None
    variables: dict[str, str | int | float | bool] = {}
    r: RSpec | None = None


class InputFile(Message, frozen=True):
    """A file that a step reads. `tag`: what is known of its content where it lies, to which the answer to `get` is held
    (`If-Match`). `cache_key`: equal ones mean equal bytes, in whatever attempt."""

    path: str
    size: Bytes | None = None
    digest: str | None = None
    get: str | None = None
    direct: str | None = None
    tag: str | Absent = UNSET
    cache_key: str | Absent = UNSET


class InputSpec(Message, frozen=True):
    """An input: a path of which there are files, or a dataset that the script opens itself (`direct` mode). `source` names
    what it reads, equally in all attempts that read it."""

    name: str
    mode: str = "mount"
    kind: str = "path"
    path_on_compute: str | None = None
    is_file: bool = False
    file_name: str | None = None
    direct: str | None = None
    files: list[InputFile] = []
    dataset: str | Absent = UNSET
    name_of_dataset: str | Absent = UNSET
    partition_format: str | Absent = UNSET
    source: str | Absent = UNSET


class OutputSpec(Message, frozen=True):
    """An output that a step declares."""

    name: str
    kind: str = "pipeline_data"
    is_directory: bool | None = None
    path_on_compute: str | None = None
    put: str | None = None
    # Where a `PartsAsk` goes, if the store takes parts from the host itself.
    parts: str | Absent = UNSET
    # Patterns (duto.spec.globs); only files of one of them are kept, all where there are none.
    source_globs: list[str] = []


class ArtifactSpec(Message, frozen=True):
    """Where the files of watched folders go."""

    put: str | None = None


class Limits(Message, frozen=True):
    """What the node of an attempt holds of its host; what is absent has no limit."""

    cores: Amount | Absent | None = UNSET
    memory: Bytes | Absent | None = UNSET
    gpus: list[str] | Absent | None = UNSET


class ContainerSpec(Message, frozen=True):
    """What an environment asks of its container, and what the cluster's owner relaxed, which the launcher checks."""

    base_image: str | None = None
    base_dockerfile: str | None = None
    arguments: list[str] = []
    options: dict[str, Any] = {}


class Binding(Message, frozen=True):
    """An argument that is the path of an input or an output, or the value of a parameter."""

    input: str | Absent = UNSET
    output: str | Absent = UNSET
    parameter: str | Absent = UNSET


class DistributionSpec(Message, frozen=True):
    """The processes of a script, which are started together on its node."""

    type: Literal["mpi", "pytorch", "tensorflow"]
    processes: Annotated[int, Meta(ge=1, le=RANKS_MOST)] = 1
    parameter_servers: Annotated[int, Meta(ge=0, le=RANKS_MOST)] = 0

    @property
    def ranks(self) -> int:
        return self.processes + self.parameter_servers


class MemberSpec(Message, frozen=True):
    """Which of the nodes of its step an attempt is on. `together`: all begin at once, when each knows where the others are."""

    rank: Annotated[int, Meta(ge=0, le=9_999)] = 0
    count: Annotated[int, Meta(ge=1, le=9_999)] = 1
    together: bool = False


class LaunchSpec(Message, frozen=True):
    """All that an agent needs to run one attempt, and nothing else."""

    run: str = ""
    root: str = ""
    step: str = ""
    workspace: str = ""
    experiment: str = ""
    number: int = 1
    token: str | None = None
    kind: str = "python_script"
    script: str = ""
    arguments: list[str | int | float | bool | Binding | None] = []
    snapshot: SnapshotSpec = SnapshotSpec()
    environment: EnvironmentSpec = EnvironmentSpec()
    inputs: list[InputSpec] = []
    outputs: list[OutputSpec] = []
    artifacts: ArtifactSpec = ArtifactSpec()
    variables: dict[str, str] = {}
    params: dict[str, str] = {}
    settings: dict[str, Any] = {}
    timeout_seconds: Amount | None = None
    grace_seconds: Amount = 10
    log_cap: Bytes = 1 << 30
    limits: Limits = Limits()
    launcher: str | None = None
    network: str = "open"
    container: ContainerSpec = ContainerSpec()
    distribution: DistributionSpec | None = None
    ledgers: list[InputFile] = []
    kept: list[InputFile] = []
    spark_master: str = ""
    # Where the step runs on several nodes.
    member: MemberSpec | None = None
    # Texts that the log may not show from its first byte on.
    masks: list[str] = []


# --- addresses of inputs ---


class AddressesAsk(Message, frozen=True):
    """Asks for addresses of the stores' own of these files, each as its `get` names it behind `files/`."""

    files: Annotated[list[str], Meta(max_length=ADDRESSES_MOST)] = []


class Addresses(Message, frozen=True):
    """An address for each file of the question, in its order; empty for one that comes through the studio."""

    addresses: list[str] = []


# --- parts of outputs ---


class PartsWanted(Message, frozen=True):
    """A file of an output that is to be sent from its part `first` on."""

    path: str = ""
    size: Bytes = 0
    first: Annotated[int, Meta(ge=1, le=PARTS_MOST)] = 1


class PartsAsk(Message, frozen=True):
    """Asks for addresses at which parts of an output's files are put."""

    output: str = ""
    is_directory: bool = True
    files: Annotated[list[PartsWanted], Meta(max_length=PARTS_FILES)] = []


class PartsGiven(Message, frozen=True):
    """The addresses of a file's parts from `first` on, perhaps not of all. `upload` names what they are parts of; each part has
    `part_size` bytes, the last one what is left."""

    path: str = ""
    upload: str = ""
    part_size: Bytes = 0
    first: int = 1
    addresses: list[str] = []


class PartsOffer(Message, frozen=True):
    """Of some files none may be given: they are asked for again."""

    files: list[PartsGiven] = []


# --- members ---


class Meeting(Message, frozen=True):
    """Where a member is met by the others: an address of its host, and ports that are free there."""

    address: Annotated[str, Meta(max_length=255)] = ""
    ports: Annotated[list[Annotated[int, Meta(ge=1, le=65_535)]], Meta(max_length=RANKS_MOST + 4)] = []


class Meetings(Message, frozen=True):
    """All members in their order, once each is ready to begin; none before. The secret is known to them alone."""

    members: list[Meeting] = []
    secret: str = ""


class BatchAsk(Message, frozen=True):
    """A node of a parallel step asks for mini-batches. `idle`: all that it had are over, as its ledger up to here tells."""

    q: Whole = 0
    count: Whole = 0
    plan: Annotated[str, Meta(max_length=64)] = ""
    processes: Whole = 1
    idle: bool = False
    failed: Whole = 0
    items_failed: Whole = 0


class BatchShare(Message, frozen=True):
    """All mini-batches that a node was given so far, as ranges (first, end), up to the question `asked`. `over`: there is
    no more for it; `join`: all nodes are through, and it makes the result, with the ledgers and the kept files of the others."""

    asked: Whole = 0
    ranges: list[tuple[int, int]] = []
    over: bool = False
    join: bool = False
    ledgers: list[InputFile] = []
    kept: list[InputFile] = []
    failed: Whole = 0
    items_failed: Whole = 0
    fault: str = ""


# --- builds ---


class CondaSection(Message, frozen=True):
    """Conda packages and the channels that they come from."""

    channels: list[str] = []
    packages: list[str] = []


class BuildSpec(Message, frozen=True):
    """What an environment is to be made of; a lock of the chosen Python is used as it is."""

    python: str | None = None
    packages: list[str] = []
    constraints: list[str] = []
    conda: CondaSection | Absent = UNSET
    locks: dict[str, str] = {}
    recipe_digest: str = ""
