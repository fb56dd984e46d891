"""One local cloud: its directory, its clock, its chance, and what the services share."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import Any

from local.cloud.disturbances.consistency import Consistency, Ghosts
from local.cloud.disturbances.faults import Faults
from local.cloud.engine.clock import Clock
from local.cloud.engine.ledger import Ledger
from local.cloud.engine.tokens import Tokens
from local.cloud.tenant.activity import Activity
from local.cloud.tenant.directory import Directory
from local.cloud.tenant.resources import ResourceTree

_FIRST = uuid.UUID("5f0c2a1e-7d3b-4a86-9c41-2e6b8f9d0a17")


@dataclass(slots=True)
class LocalAzure:
    """What a handler gets to see. One instance lives as long as the process; ``reset`` empties it in place."""

    tenant_id: str
    subscription_id: str
    clock: Clock = field(default_factory=Clock)
    seed: int = 0
    chance: random.Random = field(init=False)
    """What object ids are drawn from: the same calls in the same order make the same ids."""
    directory: Directory = field(default_factory=Directory)
    tree: ResourceTree = field(default_factory=ResourceTree)
    activity: Activity = field(default_factory=Activity)
    """Who listens to what Azure Resource Manager does."""
    consistency: Consistency = field(init=False)
    ghosts: Ghosts = field(init=False)
    """What has ended, and not for everybody yet."""
    faults: Faults = field(default_factory=Faults)
    ledger: Ledger = field(default_factory=Ledger)
    tokens: Tokens = field(init=False)
    tenant_name: str = "leasehold.onmicrosoft.com"
    other_tenants: set[str] = field(default_factory=set)
    """Ids of further tenants. They publish keys, and hold nothing: the control API makes tokens of theirs."""
    origins: dict[str, str] = field(default_factory=dict)
    """Origins (lower case, without a slash) at which Microsoft's applications, by client id, can be reached locally."""
    storage: str = ""
    """Connection string of the account whose queues Event Grid can send to; empty: there is none."""
    _states: dict[type[Any], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Gives the parts that go by it this world's clock and chance."""
        self.chance = random.Random(self.seed)
        # Delays have a chance of their own: a profile must not change which ids are drawn.
        self.consistency = Consistency(self.clock.now, random.Random(self.seed))
        self.ghosts = self.consistency.ghosts
        self.tokens = Tokens(self.tenant_id, self.clock.now)

    def reset(self) -> None:
        """Forgets everything that happened: directory, calls, faults, time, keys. Profile, origins and storage stay."""
        self.clock.ahead = 0.0
        self.chance.seed(self.seed)
        self.directory = Directory()
        self.tree = ResourceTree()
        self.activity = Activity()
        self._states.clear()
        self.consistency.configure(self.consistency.profile.name, seed=self.seed, speed=self.consistency.speed)
        self.faults.replace([])
        self.ledger.clear()
        self.tokens.reset()
        self.other_tenants.clear()

    def of[T](self, kind: type[T]) -> T:
        """What a service keeps here, one instance of each kind: empty when it is first asked for, and after ``reset``."""
        state: T = self._states.setdefault(kind, kind())
        return state

    def guid(self) -> str:
        """A fresh object id, from the world's own chance."""
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))


def new_world(seed: int = 0) -> LocalAzure:
    """An empty world; its tenant and subscription ids follow from the seed."""
    return LocalAzure(str(uuid.uuid5(_FIRST, f"tenant {seed}")), str(uuid.uuid5(_FIRST, f"subscription {seed}")), seed=seed)
