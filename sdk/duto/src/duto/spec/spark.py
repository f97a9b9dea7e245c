"""The settings of a Spark step: what they may be, and what `spark-submit` is told of them. Pure.

The SDK checks them when a pipeline is validated, the studio when a graph comes in, and the step's own driver makes its command
line of them (docs/spark.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from duto.spec.sentences import Said, said

KINDS = ("spark", "databricks")
# What a step's environment gets where its packages name no Spark: the last of 3, which old programs were written for, and
# where Python is too new for that, the 4 that follows.
PYSPARK = ("pyspark>=3.5,<4; python_version < '3.12'", "pyspark>=4,<5; python_version >= '3.12'")
# What a result does not depend on: another value does not run a step again. How many cores there are may change how many
# files Spark writes, so they count.
UNRELATED = ("driver_memory", "executor_memory", "app_name")
# A pipeline's parameter may hold these.
TUNABLE = ("driver_memory", "driver_cores", "executor_memory", "executor_cores", "num_executors", "app_name")

# Releases of Spark with which the Javas change that it runs on.
LINES = ("2.4", "3.0", "3.3", "4.0")
# Where nobody knows which one it is.
ANY = "any"
MIB = 1 << 20
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30, "t": 1 << 40}
_SIZE = re.compile(r"(\d+)\s*([kmgt]?)i?b?", re.IGNORECASE)
_MASTER = re.compile(r"local(\[(\*|\d+)(,\d+)?\])?|spark://[\w.-]+:\d{1,5}(,[\w.-]+:\d{1,5})*")
_KEY = re.compile(r"spark\.[\w.\-$/]+")
_VARIABLE = re.compile(r"[A-Za-z_]\w*")
_COORDINATES = re.compile(r"[^\s:,]+:[^\s:,]+:[^\s:,]+")
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*:/", re.IGNORECASE)


@dataclass(frozen=True)
class Settings:
    """The settings of a Spark step. Of sizes and counts None leaves them to Spark and the node."""

    driver_memory: Optional[int] = None
    driver_cores: Optional[int] = None
    executor_memory: Optional[int] = None
    executor_cores: Optional[int] = None
    num_executors: Optional[int] = None
    app_name: Optional[str] = None
    conf: Mapping[str, str] = field(default_factory=dict)
    py_files: Tuple[str, ...] = ()
    jars: Tuple[str, ...] = ()
    files: Tuple[str, ...] = ()
    packages: Tuple[str, ...] = ()
    repositories: Tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    new_outputs: Tuple[str, ...] = ()
    tells_run: bool = False


def master_problem(master: str) -> str:
    """What is wrong with the address of a master; empty for one that is none, and for a good one."""
    if not master or _MASTER.fullmatch(master):
        return ""
    return f"{master!r} is no master of Spark: use spark://host:port, or local[4] for four threads on the step's node."


def is_local(master: str) -> bool:
    """Whether all of Spark is one process on the step's node."""
    return master.startswith("local")


def memory_of(value: Any) -> int:
    """Bytes of `512m`, `4g` or a number of bytes. Raises `ValueError`."""
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    size = int(found[1]) * _UNITS[found[2].lower()] if found else value
    if isinstance(size, bool) or not isinstance(size, int) or size < MIB:
        raise ValueError(f"{value!r} is no size of memory: write '512m' or '4g'.")
    return size


def _count(value: Any) -> int:
    try:
        number = -1 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = -1
    if number != number // 1 or not 1 <= number <= 10_000:
        raise ValueError(f"{value!r} is no whole number from 1 to 10,000.")
    return int(number)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is no text.")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false.")
    return value


def _texts(value: Any) -> Tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, str) and each.strip() for each in value):
        raise ValueError(f"{value!r} is no list of texts.")
    return tuple(value)


def _paths(value: Any) -> Tuple[str, ...]:
    """Files of the source directory, or addresses that Spark fetches. A comma would make two of one for `spark-submit`."""
    for each in _texts(value):
        inside = each.replace("\\", "/").split("/")
        if "," in each or (not _ADDRESS.match(each) and (each.startswith("/") or ".." in inside)):
            raise ValueError(f"{each!r} is neither a file of the source directory nor an address such as https://….")
        if each.startswith("dbfs:"):
            raise ValueError(f"{each!r} lies on DBFS, which no studio has: put the file into the source directory.")
    return tuple(value)


def _coordinates(value: Any) -> Tuple[str, ...]:
    for each in _texts(value):
        if not _COORDINATES.fullmatch(each):
            raise ValueError(f"{each!r} names no package of Maven: write group:artifact:version.")
    return tuple(value)


def conf_text(value: Any) -> str:
    """A value of `conf` as Spark reads it. Raises `ValueError`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"{value!r} is no text, number or flag.")
    return str(value)


def _conf(value: Any) -> Dict[str, str]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} is no dictionary.")
    for key in value:
        if not _KEY.fullmatch(str(key)):
            raise ValueError(f"{key!r} is no setting of Spark, which ignores what does not begin with 'spark.'.")
    found = {str(key): conf_text(each) for key, each in value.items()}
    problem = master_problem(found.get("spark.master", ""))
    if problem:
        raise ValueError(problem)
    if found.get("spark.submit.deployMode", "client") != "client":
        raise ValueError("spark.submit.deployMode is client: the driver is the step.")
    return found


def _variables(value: Any) -> Dict[str, str]:
    if not isinstance(value, Mapping) or not all(_VARIABLE.fullmatch(str(each)) for each in value):
        raise ValueError(f"{value!r} are no variables by name.")
    return {str(key): conf_text(each) for key, each in value.items()}


READERS: Dict[str, Callable[[Any], Any]] = {
    "driver_memory": memory_of,
    "driver_cores": _count,
    "executor_memory": memory_of,
    "executor_cores": _count,
    "num_executors": _count,
    "app_name": _text,
    "conf": _conf,
    "py_files": _paths,
    "jars": _paths,
    "files": _paths,
    "packages": _coordinates,
    "repositories": _texts,
    "variables": _variables,
    "new_outputs": _texts,
    "tells_run": _flag,
}


def settings_of(document: Mapping[str, Any]) -> Settings:
    """The settings of a document in which parameters have their values. Raises `ValueError` that names all that is wrong."""
    found, wrong = _read(document)
    if wrong:
        raise ValueError(" ".join(wrong))
    return Settings(**found)


def problems_of(document: Mapping[str, Any], paths: Any = None) -> List[str]:
    """What is wrong with the settings of a graph, each as a sentence. What a parameter holds is looked at when the step
    runs. `paths` are those of the source directory, where they are known."""
    known: Dict[str, Any] = {}
    wrong: List[str] = []
    for name, value in document.items():
        if not isinstance(value, Mapping) or name in ("conf", "variables"):
            known[name] = value
        elif name not in TUNABLE:
            wrong.append(f"{name} cannot be a parameter; only {', '.join(TUNABLE)} can.")
    found, more = _read(known)
    for name in ("py_files", "jars", "files"):
        for each in found.get(name, ()) if paths is not None else ():
            if not _ADDRESS.match(each) and plain(each) not in paths:
                wrong.append(f"{name} names {each!r}, which its source directory does not hold.")
    return wrong + more


def plain(path: str) -> str:
    """A file of the source directory as its snapshot names it; of `name#alias` the name."""
    path = path.replace("\\", "/").partition("#")[0]
    return path[2:] if path.startswith("./") else path


def _read(document: Mapping[str, Any]) -> Tuple[Dict[str, Any], List[str]]:
    found: Dict[str, Any] = {}
    wrong: List[str] = []
    for name, value in document.items():
        if name not in READERS:
            wrong.append(f"there is no setting {name!r} of a Spark step.")
        elif value is not None:
            try:
                found[name] = READERS[name](value)
            except ValueError as error:
                wrong.append(f"{name}: {error}")
    return found, wrong


@dataclass(frozen=True)
class Node:
    """What the step has of its host: cores, bytes of memory where they are limited, and a folder of its own."""

    cores: int
    memory: Optional[int]
    folder: str


@dataclass(frozen=True)
class Submission:
    """What `spark-submit` is told before the script, and what a person is to know of it."""

    master: str
    words: Tuple[str, ...]
    notes: Tuple[str, ...] = ()


def submission_of(settings: Settings, master: str, node: Node, own: Mapping[str, str]) -> Submission:
    """The words of `spark-submit`.

    Args:
        settings: those of the step.
        master: that of the compute target; empty for the step's own node. One in `conf` goes before it.
        node: what the step has of its host.
        own: settings of Spark that the driver needs, which those of the step go before.

    Returns:
        The words, and notes.
    """
    wanted = settings.conf.get("spark.master", master)
    if wanted and not is_local(wanted):
        cores = settings.driver_cores or node.cores
        words, notes, conf = _on_executors(settings)
        # Their user need not be that of the step: whoever made a folder, the driver moves what is in it to its place.
        conf["spark.hadoop.fs.permissions.umask-mode"] = "000"
    else:
        cores = node.cores
        words, notes, conf, threads = _on_the_node(settings, node)
        wanted = wanted or f"local[{threads}]"
    # What a step has is told, not found out: a Java in a sandbox looks for its control group where it is not, and fails.
    java = f"-Djava.io.tmpdir={node.folder} -XX:-UsePerfData -XX:-UseContainerSupport -XX:ActiveProcessorCount={cores}"
    conf = {**own, "spark.driver.defaultJavaOptions": java, **conf, **settings.conf}
    conf.pop("spark.master", None)
    words = ["--master", wanted, *words]
    if settings.app_name:
        words += ["--name", settings.app_name]
    for name, given in (
        ("--py-files", settings.py_files),
        ("--jars", settings.jars),
        ("--files", settings.files),
        ("--packages", settings.packages),
        ("--repositories", settings.repositories),
    ):
        words += [name, ",".join(given)] if given else []
    for key in sorted(conf):
        words += ["--conf", f"{key}={conf[key]}"]
    return Submission(wanted, tuple(words), tuple(notes))


def _on_executors(settings: Settings) -> Tuple[List[str], List[str], Dict[str, str]]:
    """For a master elsewhere, whose workers hold the executors. It is told how many cores they have together: a standalone
    master knows no number of executors."""
    words: List[str] = []
    if settings.driver_memory:
        words += ["--driver-memory", _mebibytes(settings.driver_memory)]
    conf: Dict[str, str] = {}
    if settings.executor_memory:
        conf["spark.executor.memory"] = _mebibytes(settings.executor_memory)
    if settings.executor_cores:
        conf["spark.executor.cores"] = str(settings.executor_cores)
    notes: List[str] = []
    if settings.num_executors:
        each = settings.executor_cores or 1
        conf["spark.executor.cores"] = str(each)
        conf["spark.cores.max"] = str(settings.num_executors * each)
        if not settings.executor_cores:
            notes.append("num_executors without executor_cores: each executor has one core.")
    return words, notes, conf


def _on_the_node(settings: Settings, node: Node) -> Tuple[List[str], List[str], Dict[str, str], int]:
    """For the step's own node, where driver and executors are one process: it gets the cores of the executors as threads, and
    the memory of all of them together, up to what the node has."""
    notes: List[str] = []
    asked = (settings.executor_cores or 1) * (settings.num_executors or 1)
    is_asked = bool(settings.executor_cores or settings.num_executors)
    threads = min(asked, node.cores) if is_asked else node.cores
    if asked > threads:
        notes.append(
            f"The executors ask for {asked} cores together, and the step's node has {node.cores}: {threads} are used."
        )
    heap = (settings.driver_memory or 0) + (settings.executor_memory or 0) * (settings.num_executors or 1)
    # What is no heap of Java and what Python needs have to fit, too.
    most = None if node.memory is None else max(node.memory * 3 // 4, 512 * MIB)
    if most is not None and heap > most:
        notes.append(
            f"Driver and executors ask for {_mebibytes(heap)} of memory together, and {_mebibytes(most)} of the step's node "
            "are for Spark: that is used."
        )
        heap = most
    return ["--driver-memory", _mebibytes(heap)] if heap else [], notes, {}, threads


def _mebibytes(size: int) -> str:
    return f"{max(1, size // MIB)}m"


def java_fits(spark: str, java: int) -> bool:
    """Whether a release of Spark runs on a Java, by their versions."""
    major, minor = _release(spark)
    if major >= 4:
        return java >= 17
    if major < 3:
        return java == 8
    return java in ((8, 11) if minor < 3 else (8, 11, 17))


def javas_of(spark: str) -> str:
    """Which versions of Java a release of Spark runs on, in words; of `ANY` those of most."""
    fitting = [str(each) for each in (8, 11, 17, 21) if java_fits("3.5" if spark == ANY else spark, each)]
    return " or ".join(fitting)


def refusal(line: str) -> Said:
    """Why no host can run a step of a line of Spark."""
    return said("no_java_hosts", javas=javas_of(line))


def lines_on(javas: Iterable[int]) -> List[str]:
    """The lines of Spark that run on one of these Javas."""
    there = list(javas)
    return [line for line in LINES if any(java_fits(line, java) for java in there)]


def line_of(release: str) -> str:
    """The one of `LINES` to which a release belongs."""
    return next((line for line in reversed(LINES) if _release(release) >= _release(line)), LINES[0])


def _release(version: str) -> Tuple[int, int]:
    numbers: Sequence[str] = re.findall(r"\d+", version)
    return (int(numbers[0]) if numbers else 3, int(numbers[1]) if len(numbers) > 1 else 0)
