"""One attempt, from its spec to the moment when the studio has everything. Each step can be repeated after a crash."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from datetime import UTC
from pathlib import Path
from typing import TypeVar

from msgspec import UNSET, UnsetType, structs

from duto.spec.sentences import Said, said
from duto_agent.attempt import causes, drivers, staging
from duto_agent.attempt.bindings import Bound, Unbound
from duto_agent.attempt.causes import Cause
from duto_agent.attempt.closing import Abandoned, Closing, ControlFlags, Cut
from duto_agent.attempt.collect import Collected, Collector, files_of, send, shown, to_send
from duto_agent.attempt.direct_outputs import DirectOutput, NotDirect
from duto_agent.attempt.metering import Metering
from duto_agent.attempt.mount_watch import MountWatch
from duto_agent.attempt.part_ledger import PartLedger
from duto_agent.attempt.rendezvous import MeetingPoint
from duto_agent.attempt.shares import Sharing
from duto_agent.attempt.shipments import SpoolShipment, ledger_shipment, log_shipment, rank_shipments
from duto_agent.context import AgentContext
from duto_agent.disk_space import START_ROOM, DiskFull, free_at, full, is_full
from duto_agent.engine.errors import EngineAway
from duto_agent.environments.builder import BuildFailed
from duto_agent.files import read_json, write_json
from duto_agent.host.usage import SampleShipment
from duto_agent.launchers.base import AttemptKey, Launch, LaunchFailed, Probe
from duto_agent.launchers.ownership import NOTES
from duto_agent.launchers.shim_state import has_begun
from duto_agent.loops import backoff
from duto_agent.paths import BadPath
from duto_agent.shim.log import Log
from duto_agent.studio.client import PATIENCE_S, Away, Refused, StudioFaulty, StudioFull
from duto_agent.studio.exchange import final_report
from duto_agent.studio.ranges import StoreAway
from duto_agent.studio.shipments import Shipment, Stale
from duto_agent.studio.transfers import DataMissing, StoreRefused
from duto_protocol.messages import AttemptReport, EnvironmentSpec, Finished, LaunchSpec, Meetings, RSpec
from duto_protocol.reading import builtins_of, of_document
from duto_protocol.values import Moment

log = logging.getLogger("duto.agent")
B = TypeVar("B")
FINISHED = "finished.json"
# What a verdict tells as the shim has seen it.
SEEN = ("exit_code", "signal", "traceback", "usage", "log_dropped", "left_over", "proof", "ranks")
WARNINGS_MOST = 200
QUICK_S, QUIET_S = 0.02, 0.1
LIVELY_FOR_S = 1.0
SHIP_GAP_S, SHIP_GAP_MAX_S = 0.005, 0.05
START_S = 5.0
REASON_MOST = 64
# A place in a queue is told again after so many seconds at the earliest, and a start that has moved by as many.
PLACE_S, MOVED_S = 30.0, 60
# How often a member that is ready asks for the others, and ports beside one for each of its processes.
MEET_S, SPARE_PORTS = 0.2, 2
WAITED = said("waited_for_room")


class Ended(Exception):
    """The attempt ends before its script could start."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(cause.message or "")
        self.cause = cause


class Attempt:
    """`run` goes through all stages in one thread; the files say which of them are done."""

    def __init__(self, key: AttemptKey, spec: LaunchSpec, context: AgentContext, adopted: bool) -> None:
        self.key, self.spec, self.context, self.adopted = key, spec, context, adopted
        self.directory: Path = context.launcher.directory(key)
        self.wakeup = threading.Event()
        self.flags = ControlFlags()
        self.warnings: list[Said] = []
        self.log = log_shipment(self.directory, key, context.client)
        ranks = staging.ranks_of(spec)
        notes = self.directory / NOTES if context.images is not None else self.directory
        self.logs = [self.log, *rank_shipments(notes, key, context.client, ranks)]
        self.spool = SpoolShipment(self.directory, key, context.client)
        self.samples = SampleShipment(self.directory, key, context.client)
        self.sharing = Sharing(self.directory, key, context.client, context.transfers) if drivers.shares(spec) else None
        heard = self.sharing.heard if self.sharing else None
        self.ledgers = (
            [ledger_shipment(self.directory, key, context.client, heard)] if drivers.keeps_ledger(spec) else []
        )
        self._pause = backoff()
        self._ship_after = 0.0
        self._asked_to_end = False
        self._is_waiting = False  # launched, and not begun
        self._queued = Probe("pending")  # why and where it waits, as it was told last
        self._queued_at = 0.0
        self.closing = Closing(self.flags, None, self._tell_closing)
        self.metering = Metering(key, context.send_report)
        self._unsent: list[Said] = []
        self._mounts = MountWatch(self.directory, context.mounts)

    def run(self) -> bool:
        """Whether the studio now has the verdict (False: the attempt was abandoned)."""
        try:
            self._report(self._kept() or self._execute())
            return True
        except (Abandoned, Stale) as error:
            log.info("attempt %s is not wanted any more %s", self.key.folder, error)
            self._end_quietly()
            return False

    def fail(self, error: BaseException) -> None:
        """A fault of the agent's own is told like any other end, and its directory stays for whoever looks."""
        code, message = "studio_fault", said("agent_fault", error=f"{type(error).__name__}: {error}")
        if is_full(error) or isinstance(error, DiskFull):
            code, message = self._of_disk(error)
        self.context.send_report(final_report(self.key.attempt, self.key.epoch, message, code), urgent=True)

    def cancel(self, grace_seconds: float) -> None:
        self.flags.cancel_grace = grace_seconds
        self.wakeup.set()

    def abandon(self) -> None:
        self.flags.abandon = True
        self.wakeup.set()

    def _kept(self) -> Finished | None:
        """The verdict that was kept, by whatever release. One that would be another without what is not understood counts as
        none: what it says is found out again."""
        document = read_json(self.directory / FINISHED, own=True)
        if not document or not isinstance(document, dict):
            return None
        reading = of_document(document, Finished)
        if reading.ignored:
            ignored = ", ".join(map(ascii, reading.ignored))
            log.warning("of the kept verdict of %s is not understood: %s", self.key.folder, ignored)
        return None if any(path.startswith(Finished.DECISIVE) for path in reading.wrong) else reading.message

    def _execute(self) -> Finished:
        bound = Bound()
        try:
            if self.context.launcher.probe(self.key).state == "none":
                self._prepare()
            else:
                self._tell_started()
            bound = staging.stage(self.directory, self.spec, self.context.transfers)
            self._mounts.begin(bound.mounted)
            if self.sharing is not None and (output := drivers.own_output(self.spec)):
                self.sharing.output = Path(bound.outputs[output])
            probe = self._watch()
            self._mounts.look(self._asked_to_end, is_last=True)
        except Ended as error:
            return self._close(error.cause, Probe("none"), bound)
        if probe.verdict is None:
            return self._close(self._starved() or causes.LOST, probe, bound)
        self.warnings += causes.warnings_of(probe.verdict)
        cause = causes.cause_of(probe.verdict, self.spec, bound)
        if self._mounts.faults and cause.code in causes.OF_SCRIPTS:
            refused = next((each for each in self._mounts.faults if each.code == "store_refuses"), None)
            code = "store_refused" if refused else "store_away"
            cause = Cause(code, said("mounted_not_read", why=refused or self._mounts.faults[0]))
        return self._close(cause, probe, bound)

    def _prepare(self) -> None:
        """Stage, find the environment, launch; every failure becomes a cause with words."""
        self.context.send_report(self._event("preparing", detail="environment"))
        launch, bound = self._prepared()
        try:
            self._launch(launch)
        except Ended as ended:
            # An engine that runs elsewhere, or as a user who may not look, sees no mounts of ours: it names what it misses.
            if not any(place in str(ended.cause.message or "") for place in bound.mounted.values()):
                raise
            why = said("mount_not_seen")
            if self.context.mounts.is_alive(self.directory):
                self.context.mounts.refuse(why)
            if (
                self.spec.member is not None and self.spec.member.together
            ):  # the others have met this one: all begin anew
                raise Ended(Cause("store_away", why)) from ended
            (self.directory / staging.STAGED).unlink()
            self.context.mounts.release(self.directory)
            self._launch(self._prepared()[0])
        self._tell_started()

    def _prepared(self) -> tuple[Launch, Bound]:
        """What is launched, and what is bound in it."""
        try:
            studio = self._tell_studio()
            check = self._check_flags_before_start
            transfers, meter = self.context.transfers, self.metering.inputs
            bound = staging.stage(self.directory, self.spec, transfers, check, self.context.mounts, meter)
            self.warnings += bound.warnings
            python, image = self._resolve_runtime()
            library = self._r_library(self.spec.environment.r)
            meetings = self._meet()
            return staging.launch_of(
                self.key, self.directory, self.spec, bound, python, self.context.sdk, studio, image, library, meetings
            ), bound
        except (BuildFailed, LaunchFailed) as error:
            raise Ended(Cause("environment", error.message)) from error
        except DataMissing as error:
            raise Ended(Cause("data_missing", error.message)) from error
        except StoreAway as error:
            raise Ended(Cause("store_away", error.message)) from error
        except StoreRefused as error:
            raise Ended(Cause("store_refused", error.message)) from error
        except (BadPath, Unbound) as error:
            raise Ended(Cause("user_error", error.message)) from error
        except Away as error:
            raise Ended(Cause("studio_fault", said("files_not_fetched", error=str(error)))) from error
        except (DiskFull, OSError) as error:
            raise Ended(Cause(*self._of_disk(error))) from error

    def _meet(self) -> Meetings | None:
        """Where the other members of the step are, once all are ready; None where there are none to wait for."""
        member = self.spec.member
        if member is None or not member.together:
            return None
        place = MeetingPoint(self.context.studio, len(staging.ranks_of(self.spec)) + SPARE_PORTS)
        try:
            while True:
                self._check_flags_before_start()
                try:
                    found = self.context.client.meet(self.key.attempt, self.key.epoch, place.meeting)
                    if found.members:
                        return found
                    self._rest(MEET_S)
                except Away:
                    self._rest(next(self._pause))
                except Refused as refused:
                    if refused.code in ("stale_epoch", "not_found"):
                        raise Abandoned from refused
                    raise
        finally:
            place.leave()

    def _launch(self, launch: Launch) -> None:
        if (starved := self._starved()) is not None:  # told now: a shim that has no room cannot tell it
            raise Ended(starved)
        try:
            self._retry_while_away(lambda: self.context.launcher.ensure(launch))
        except LaunchFailed as error:
            raise Ended(Cause(error.code, error.message)) from error
        except (DiskFull, OSError) as error:
            raise Ended(Cause(*self._of_disk(error))) from error

    def _retry_while_away(self, action: Callable[[], B]) -> B:
        """An engine that is away is waited for: what it holds is not lost, and the step is not at fault."""
        pause = backoff()
        while True:
            self._check_flags_before_start()
            try:
                return action()
            except EngineAway as away:
                log.warning("%s waits: %s", self.key.folder, away)
                self._rest(next(pause))

    def _resolve_runtime(self) -> tuple[str, str]:
        """The interpreter of the step, and the image that it is in."""
        images = self.context.images
        if images is None:
            return self._environment(self.spec.environment), ""
        image = self._retry_while_away(
            lambda: self._with_log(lambda say: images.ensure(self.spec, say, self.key.attempt))
        )
        self.warnings += image.warnings
        return image.python, image.name

    def _environment(self, wanted: EnvironmentSpec) -> str:
        environments = self.context.environments
        if wanted.user_managed:
            return environments.user_managed(wanted.interpreter)
        lock, asked = wanted.lock or "", wanted.python
        environment = environments.ready(lock, asked) or self._with_log(
            lambda say: environments.ensure(lock, asked, say)
        )
        self.warnings += environment.warnings
        return str(environment.executable)

    def _r_library(self, wanted: RSpec | None) -> Path | None:
        """Where the packages of R lie that its environment names; None where it names none."""
        if wanted is None:
            return None
        if self.context.images is not None:
            raise BuildFailed(said("r_in_container"))
        libraries = self.context.r_libraries
        found = libraries.ready(wanted)
        self.warnings += libraries.warnings(wanted)
        if found is None and (wanted.packages or wanted.sources):
            found = self._with_log(lambda say: libraries.ensure(wanted, say))
        return found

    def _with_log(self, build: Callable[[Callable[[str], None]], B]) -> B:
        """Built now, with its log in the attempt's own. Elsewhere, so that a cancel is heard meanwhile."""
        log = Log(str(self.directory), self.spec.log_cap)
        write: Callable[[str], None] = lambda line: log.write(f"{line}\n".encode())  # noqa: E731
        building: Future[B] = self.context.builders.submit(build, write)
        building.add_done_callback(lambda _: log.close())
        while True:
            try:
                return building.result(timeout=QUICK_S)
            except NotYet:
                self._check_flags_before_start()
                self._ship()

    def _check_flags_before_start(self) -> None:
        if self.flags.abandon:
            raise Abandoned
        if self.flags.cancel_grace is not None:
            raise Ended(causes.NOT_BEGUN)

    def _tell_started(self) -> None:
        """An adopted step tells it again, with its own time: the first word may have been lost. One that waits for a place
        tells it once it has begun."""
        self._is_waiting = self.context.launcher.probe(self.key).state == "pending"
        if self._is_waiting:
            return
        if self.adopted:
            with contextlib.suppress(OSError):  # a full disk: then the address of before must do
                self._tell_studio()
        self.context.send_report(structs.replace(self._event("started"), transfers=self.metering.transfers))

    def _tell_studio(self) -> str:
        """Where the script finds the studio: it may have moved since the step began."""
        studio = self.context.launcher.studio_for(self.spec.network, self.context.studio)
        write_json(self.directory / "studio.json", {"url": studio})
        return studio

    def _watch(self) -> Probe:
        """Ship what the script says until it is gone."""
        moved_at = seen = time.monotonic()
        while True:
            self.wakeup.clear()
            probe = self.context.launcher.probe(self.key)  # before reading: nothing is written after the verdict
            self._check_flags()
            self._mounts.look(self._asked_to_end)
            if self._is_waiting and (probe.state == "running" or has_begun(self.directory)):
                self._tell_started()
            self._tell_place(probe)
            if probe.state in ("exited", "lost"):
                return self.context.launcher.collect(self.key)
            moment = time.monotonic()
            seen = seen if probe.state == "none" else moment  # an engine that was away may know less when it is back
            if moment - seen > START_S:
                fault = Cause("studio_fault", said("watcher_not_started"))
                raise Ended(self._starved() or fault)
            if moment < self._ship_after:
                self.wakeup.wait(self._ship_after - moment)
                continue
            moved_at = moment if self._ship() else moved_at
            self.wakeup.wait(QUICK_S if moment - moved_at < LIVELY_FOR_S else QUIET_S)

    def _tell_place(self, probe: Probe) -> None:
        """Why it waits for a place at whoever gives it one, whenever that changes; where in the queue, now and then."""
        last, moment = self._queued, time.monotonic()
        if probe.state != "pending" or not probe.reason:
            return
        if probe.reason == last.reason:
            is_first = not (last.position or last.start)
            has_moved = probe.position != last.position or abs(probe.start - last.start) >= MOVED_S
            if not has_moved or (not is_first and moment < self._queued_at + PLACE_S):
                return
        self._queued, self._queued_at = probe, moment
        report = structs.replace(
            self._event("preparing"),
            queue_reason=probe.reason[:REASON_MOST],
            queue_position=probe.position or UNSET,
            queue_start=Moment.fromtimestamp(probe.start, UTC) if probe.start else UNSET,
        )
        self.context.send_report(report)

    def _check_flags(self) -> None:
        flags = self.flags
        grace = 0.0 if flags.abandon else flags.cancel_grace
        if grace is not None and not self._asked_to_end:
            self._asked_to_end = True
            self.context.launcher.signal(self.key, grace)

    def _ship(self) -> bool:
        """One window of each file. A studio that is away costs the step nothing but its audience."""
        if self.flags.abandon:
            return False
        began = time.monotonic()
        try:
            moved = False
            for shipment in (*self.logs, self.spool, *self.ledgers):
                moved = shipment.ship() or moved
            self.samples.ship()
            if self.sharing is not None:
                moved = self.sharing.ask() or moved
        except Away:
            self._ship_after = began + next(self._pause)
            return False
        self._pause = backoff()
        if moved:  # a script that talks all the time is sent in larger pieces, and never takes all of the studio
            ended = time.monotonic()
            self._ship_after = ended + min(max(SHIP_GAP_S, ended - began), SHIP_GAP_MAX_S)
        return moved

    def _ship_all(self) -> None:
        """The verdict travels only after every byte that it speaks of."""
        for shipment in (*self.logs, self.spool, self.samples, *self.ledgers):
            self._ship_rest(shipment)
        shipped = (*self.logs, self.spool, *self.ledgers)
        self.warnings += [each.problem for each in shipped if each.problem]
        if self.spool.rest and not self.spool.problem:
            self.warnings.append(said("no_whole_record", count=self.spool.rest))

    def _ship_rest(self, shipment: Shipment) -> None:
        pause = backoff()
        while True:
            self.closing.check()
            shipment.hurried = self.flags.cancel_grace is not None
            try:
                if not shipment.ship():
                    break
                pause = backoff()
            except Away:
                self._rest(next(pause))

    def _note_in_log(self, notes: list[str]) -> None:
        """What was found out when the script's own log was through already."""
        if not notes:
            return
        log = Log(str(self.directory), self.spec.log_cap)
        for note in notes:
            log.write(f"{note}\n".encode("utf-8", "replace"))
        log.close()
        self._ship_rest(self.log)

    def _close(self, cause: Cause, probe: Probe, bound: Bound) -> Finished:
        """The finished report, kept on disk before it is told. Whatever is cut short, the verdict holds what there is."""
        limit = self.spec.timeout_seconds
        self.closing = Closing(self.flags, float(limit) if limit else None, self._tell_closing)
        found = Collected() if bound.places or probe.state != "none" else None
        self.warnings += self._mounts.end()
        self.metering.mounted = self._mounts.transfer
        try:
            self._ship_all()
            if found is not None:
                Collector(self.directory, found, self.closing.check).collect(self.spec, bound, cause.code is None)
                self._note_in_log(found.notes)
            if found is not None and cause.code is None:
                self._send_outputs(found)
            if found is not None and self.context.at(self.key) is None:
                self._upload(found)
        except Cut as cut:
            self.warnings.append(said("not_all_kept", why=cut.message))
            cause = cause if cause.code else cut.cause
        if self.flags.abandon:
            raise Abandoned
        report = self._verdict(cause, probe, found)
        try:
            write_json(self.directory / FINISHED, builtins_of(report))
        except OSError as error:  # what it says can be found out again, as long as the directory is there
            log.warning("the verdict of %s is told, but cannot be kept: %s", self.key.folder, error)
        return report

    def _tell_closing(self) -> None:
        self.context.send_report(self._event("collecting"))

    def _verdict(self, cause: Cause, probe: Probe, found: Collected | None) -> Finished:
        verdict = probe.verdict or {}
        code, message = cause.code, cause.message
        if found is not None:
            self.warnings += found.warnings
            for why_not_kept, sentences in (("disk_full", found.too_large), ("studio_fault", self._unsent)):
                # A step whose files could not all be kept has failed; of one that failed by itself it is a remark.
                if sentences and not code:
                    code, message, *sentences = why_not_kept, *sentences
                self.warnings += sentences
        if verdict.get("log_dropped"):
            count, error = verdict["log_dropped"], verdict.get("log_error")
            dropped = said("log_not_written", count=count, error=error) if error else said("log_dropped", count=count)
            self.warnings.append(dropped)
        seen = of_document({"log_dropped": 0, "left_over": 0} | {n: verdict[n] for n in SEEN if n in verdict}, Finished)
        if seen.ignored:
            log.warning("of the end of %s is not understood: %s", self.key.folder, ", ".join(map(ascii, seen.ignored)))
        return structs.replace(
            seen.message,
            event="finished", attempt=self.key.attempt, epoch=self.key.epoch, at=Moment.present(),
            signal=seen.message.signal or None, traceback=seen.message.traceback or None,
            usage=seen.message.usage or None, proof=seen.message.proof or cause.proof,
            transfers=self.metering.transfers,
            cause=code, message=message or "",
            outputs=UNSET if found is None else found.outputs,
            artifacts=UNSET if found is None else found.artifacts,
            log_size=self.log.offset, spool_size=self.spool.offset,
            left_at=UNSET if (place := self.context.at(self.key)) is None else place,
            warnings=few(list(dict.fromkeys(self.warnings))),
        ).with_said()  # fmt: skip

    def _send_outputs(self, found: Collected) -> None:
        """To their stores, where these take them from here. What does not go there goes the way of all other files."""
        ledger, places = PartLedger(self.directory), {each.name: each.parts for each in self.spec.outputs}
        for number, output in enumerate(found.outputs):
            if output.missing or not (url := places.get(output.name)):
                continue
            meter = self.metering.outputs
            before = meter.transfer
            meter.expect(len(output.files), sum(each.size for each in output.files))
            direct = DirectOutput(self.context.client, ledger, meter, self.closing.check, url)
            try:
                direct.send(output, files_of(self.directory, output))
                found.outputs[number] = structs.replace(output, is_sent=True)
            except NotDirect as why:
                log.info("the output %s of %s goes through the studio: %s", output.name, self.key.folder, why)
                self.metering.restart_outputs(before)

    def _upload(self, found: Collected) -> None:
        sizes = [size for _put, _path, _file, size in to_send(self.directory, self.spec, found)]
        self.metering.uploads.expect(len(sizes), sum(sizes))
        try:
            send(self.directory, self.spec, found, self._upload_one)
        except StudioFaulty as error:
            self._unsent.append(said("outputs_not_taken", error=str(error)))

    def _upload_one(self, put: str, path: str, file: Path) -> None:
        """For as long as the studio is away or full: the files are all that is left of the step's work.

        One that it does not take is told, and costs no other. Raises StudioFaulty, Abandoned, Cut.
        """
        began, pause, meter = time.monotonic(), backoff(), self.metering.uploads
        while True:
            self.closing.check()
            try:
                self.context.client.upload(put, path, file, self.closing.check, meter.add)
                return meter.file()
            except Refused as refused:
                if refused.code == "stale_epoch":
                    raise Abandoned from refused
                self._unsent.append(said("file_not_taken", path=shown(path or file.name), error=str(refused)))
                return None
            except OSError as error:
                self._unsent.append(said("file_not_read", path=shown(path or file.name), error=error.strerror))
                return None
            except Away as away:
                if isinstance(away, StudioFaulty) and time.monotonic() - began > PATIENCE_S:
                    raise
                if isinstance(away, StudioFull) and WAITED not in self.warnings:
                    self.warnings.append(WAITED)
                    log.warning("the files of %s wait: %s", self.key.folder, away)
                self._rest(next(pause))

    def _rest(self, seconds: float) -> None:
        """Until something is asked, or the time is over; a wake-up of before is no reason to hurry."""
        self.wakeup.clear()
        self.wakeup.wait(seconds)

    def _report(self, report: Finished) -> None:
        heard = threading.Event()
        self.context.send_report(report, urgent=True, heard=heard.set)
        while not heard.wait(1.0):
            if self.flags.abandon:
                raise Abandoned

    def _end_quietly(self) -> None:
        self.flags.abandon = True
        deadline = time.monotonic() + 15
        while self.context.launcher.probe(self.key).state == "running" and time.monotonic() < deadline:
            self._check_flags()
            time.sleep(QUICK_S)
        self.context.launcher.collect(self.key)

    def _of_disk(self, error: BaseException) -> tuple[str, Said]:
        """The cause and the message of an error that came while the step's files were written."""
        if is_full(error):
            error = full(said("step_files"), self.directory, error=error)
        if isinstance(error, DiskFull):
            return "disk_full", error.message
        return "studio_fault", said("not_prepared", error=str(getattr(error, "strerror", None) or error))

    def _starved(self) -> Cause | None:
        """Whether a shim finds no room here for what it writes before its script begins."""
        free = free_at(self.directory)
        if free is None or free >= START_ROOM or has_begun(self.directory):
            return None
        return Cause(*self._of_disk(full(said("step_log"), self.directory)))

    def _event(self, event: str, detail: str | UnsetType = UNSET) -> AttemptReport:
        key = self.key
        return AttemptReport(event=event, attempt=key.attempt, epoch=key.epoch, at=Moment.present(), detail=detail)


def few(sentences: list[Said]) -> list[Said]:
    """As many warnings as a person reads; of the others how many there are."""
    more = len(sentences) - WARNINGS_MOST
    return (
        sentences
        if more <= 0
        else [
            *sentences[:WARNINGS_MOST],
            said("one_more_warning") if more == 1 else said("more_warnings", count=f"{more:,}"),
        ]
    )
