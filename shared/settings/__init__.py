"""The app settings, read once. Each section has a file of its own, which names its settings and reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from shared.settings.azure import Azure
from shared.settings.callers import Callers
from shared.settings.data_plane import DataPlane
from shared.settings.events import Events
from shared.settings.leases import Leases
from shared.settings.limits import Limits
from shared.settings.protection import Protection
from shared.settings.reader import Reader
from shared.settings.schedules import Schedules
from shared.settings.storage import Storage
from shared.settings.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Settings:
    """All sections."""

    schedules: Schedules
    callers: Callers
    azure: Azure
    data_plane: DataPlane
    storage: Storage
    protection: Protection
    leases: Leases
    limits: Limits
    events: Events = Events()  # noqa: RUF009 - it is frozen
    tokens: Tokens = Tokens()  # noqa: RUF009 - it is frozen
    warnings: tuple[str, ...] = ()
    """Sentences about what an operator should mend, although the broker can run with it."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        """Reads every section. Faults are reported in the order of these lines."""
        schedules, callers, azure = Schedules.read(reader), Callers.read(reader), Azure.read(reader)
        return cls(
            schedules=schedules,
            callers=callers,
            azure=azure,
            data_plane=DataPlane.read(reader),
            storage=Storage.read(reader),
            protection=Protection.read(reader),
            leases=Leases.read(reader),
            limits=Limits.read(reader),
            events=Events.read(reader, azure.authority),
            tokens=Tokens.read(reader, azure.authority),
            warnings=tuple(reader.warnings),
        )


def load(environment: Mapping[str, str]) -> Settings:
    """Returns the settings. Raises ``Misconfigured`` with all faults."""
    reader = Reader(environment)
    settings = Settings.read(reader)
    reader.finish()
    return settings


def known() -> frozenset[str]:
    """Returns the names of all settings of the broker: the sections ask for them, whatever the environment."""
    reader = Reader({})
    Settings.read(reader)
    return frozenset(reader.asked)
