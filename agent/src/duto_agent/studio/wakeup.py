"""The Celery side of the agent: one task that says "look again". Correctness never waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from duto_agent.loops import start_loop

log = logging.getLogger("duto.agent")
# The wake-up, as studio and agents of all releases name it to each other.
TASK = "agent.bell"
AGAIN_S = 30.0


class WakeupWorker:
    """A Celery worker with one thread on the queue of this host, living inside the agent."""

    def __init__(self, redis_url: str, name: str, wake: Callable[[], None]) -> None:
        self.redis_url, self.queue, self.wake = redis_url, f"host.{name}", wake
        self._worker: Any = None
        self._stopped = threading.Event()

    def start(self) -> None:
        """In the background: the broker may be away, and importing Celery takes its time."""
        start_loop("wakeup", self._serve, self._stopped)

    def stop(self) -> None:
        """Let go of the broker; the process ends without waiting for it."""
        self._stopped.set()
        if self._worker is not None:
            from celery.worker import state

            state.should_terminate = 0

    def _serve(self) -> None:
        """Until it is told to stop, or the worker gives up; then another one is made, and work is found by asking
        meanwhile."""
        try:
            self._worker = self._make()
            self._worker.start()
        except (Exception, SystemExit) as error:
            log.warning("no wake-ups arrive, work is found by asking: %s", error)
        self._stopped.wait(AGAIN_S)

    def _make(self) -> Any:
        from celery import Celery

        # Without fixups: a Django of the surroundings is none of the agent's business.
        app = Celery("duto-agent", broker=self.redis_url, fixups=())
        app.set_default()  # the pool's thread looks its tasks up there
        app.conf.update(
            task_serializer="json", accept_content=["json"], result_backend=None, task_ignore_result=True,
            broker_connection_retry_on_startup=True, broker_connection_max_retries=None,
            worker_hijack_root_logger=False, worker_redirect_stdouts=False, worker_prefetch_multiplier=16,
            worker_enable_remote_control=False, worker_send_task_events=False, task_default_queue=self.queue,
        )  # fmt: skip

        @app.task(name=TASK, shared=False)  # type: ignore[untyped-decorator]
        def wakeup(*ids: Any, **more: Any) -> None:
            self.wake()

        return app.WorkController(
            pool_cls="threads", concurrency=1, queues=[self.queue], loglevel="ERROR",
            without_gossip=True, without_mingle=True, without_heartbeat=True,
        )  # fmt: skip
