"""Which learner is tried next, and with which hyperparameters: FLAML's cost-frugal search in the space of each learner, and
its estimate of what each costs until it is better than the best. In the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Any, Dict, Mapping, Optional, Sequence

from flaml import CFO
from flaml.automl.state import SearchState

# The bytes that the trees of a model may take, as FLAML has it.
MEMORY = 4 * 1024**3
# How often a learner is asked for something new, before it has none.
TRIES = 20
LOSS = "val_loss"
SEED = 20
# FLAML ends where every learner has come to an end of its descent, and nothing better was found for so many times as long
# as it took to find the best.
PATIENCE = 10
# A learner of which so many trials failed, and none has ended well, is tried no more.
FAILURES = 3


@dataclass
class Proposal:
    """What a trial is to fit."""

    key: str
    learner: str
    config: Mapping[str, Any]


class _Learner:
    """The search in the space of one learner."""

    def __init__(self, name: str, kind: Any, shape: Sequence[int], task: Any, most: int) -> None:
        self.name, self.cost = name, float(kind.cost_relative2lgbm())
        state = SearchState(kind, _Shape(shape), task, budget=-1, max_iter=most)
        self.searcher = CFO(
            metric=LOSS,
            mode="min",
            space=state.search_space,
            points_to_evaluate=[dict(each) for each in state.init_config],
            low_cost_partial_config=state.low_cost_partial_config,
            cat_hp_cost=state.cat_hp_cost,
            config_constraints=[(kind.size, "<=", MEMORY)],
            seed=SEED,
            num_samples=most,
            cost_attr="time_total_s",
        )
        self.is_busy = self.is_over = False
        self.tried = 0
        self.best = self.best_before = math.inf
        self.seconds = self.seconds_at_best = self.seconds_before = 0.0

    def propose(self, key: str) -> Optional[Dict[str, Any]]:
        """Hyperparameters that were not tried; None where there are none left."""
        for _ in range(TRIES):
            config = self.searcher.suggest(key)
            if config is not None:
                self.is_busy = True
                return dict(config)
        self.is_over = True
        return None

    def learn(self, key: str, config: Mapping[str, Any], loss: Optional[float], seconds: float) -> None:
        self.is_busy = False
        self.tried += 1
        self.seconds += seconds
        if loss is None:
            # What fails is worse than anything: the descent turns away from it.
            loss = 1e10
            self.is_over = self.is_over or (self.best == math.inf and self.tried >= FAILURES)
        elif loss < self.best:
            self.best_before, self.best = (self.best if self.best < math.inf else 2 * abs(loss)), loss
            self.seconds_before, self.seconds_at_best = self.seconds_at_best, self.seconds
        self.searcher.on_trial_complete(key, {"config": dict(config), LOSS: loss, "time_total_s": seconds})

    def cost_to_win(self, best: float) -> float:
        """FLAML's estimate of the seconds until it is better than the best of all."""
        found = max(self.seconds_at_best - self.seconds_before, self.seconds - self.seconds_at_best)
        gap = self.best - best
        if 0 < gap < math.inf:  # of one that has only failed nothing is known but what it took
            gained = (self.best_before - self.best) or abs(self.best) or 1e-10
            speed = gained / (self.seconds - self.seconds_before or 1e-10)
            found = max(2 * gap / speed, found)
        return max(found, 1e-9)


class _Shape:
    """The shape of the features, as FLAML asks for it: no more of the data than that."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)


class Search:
    """The search over several learners. Each has one trial at a time, since its next follows from it."""

    def __init__(self, learners: Sequence[str], task: Any, shape: Sequence[int], most: int) -> None:
        made = [_Learner(name, task.estimator_class_from_str(name), shape, task, most) for name in learners]
        # The cheap ones first: by then there is something that the others have to be better than.
        self.learners: Dict[str, _Learner] = {each.name: each for each in sorted(made, key=lambda each: each.cost)}
        self.count = 0
        self.best = math.inf
        self.seconds = self.seconds_at_best = 0.0
        self._chance = Random(SEED)  # noqa: S311 - the search follows from its seed

    def propose(self) -> Optional[Proposal]:
        """What to try next; None where every learner is busy, or has nothing left."""
        while True:
            learner = self._next()
            if learner is None:
                return None
            key = str(self.count)
            config = learner.propose(key)
            if config is not None:
                self.count += 1
                return Proposal(key, learner.name, config)

    def learn(self, proposal: Proposal, loss: Optional[float], seconds: float) -> None:
        """What came of a trial: its loss, None where it failed, and how long it took."""
        self.learners[proposal.learner].learn(proposal.key, proposal.config, loss, seconds)
        self.seconds += seconds
        if loss is not None and loss < self.best:
            self.best, self.seconds_at_best = loss, self.seconds

    @property
    def has_converged(self) -> bool:
        """Whether FLAML would stop early."""
        done = (each.is_over or each.searcher.is_ls_ever_converged for each in self.learners.values())
        return all(done) and self.seconds > PATIENCE * self.seconds_at_best

    def _next(self) -> Optional[_Learner]:
        free = [each for each in self.learners.values() if not (each.is_busy or each.is_over)]
        untried = [each for each in free if not each.tried]
        if untried or not free:
            return untried[0] if untried else None
        # As FLAML does: the less it is to cost, the more likely.
        return self._chance.choices(free, [1 / each.cost_to_win(self.best) for each in free])[0]
