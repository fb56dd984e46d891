"""What is believed about Azure's replication and latency: the delays of each profile, with their sources."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

type Observer = Literal["graph", "entra", "arm", "blob", "key_vault"]

HOME = "westeurope"
"""The region that everything here is in: a call to Entra ID is answered there."""
ELSEWHERE = "northeurope"
"""The other region of Entra ID, under a profile that has one. Only the control API's judge asks there."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Seconds until one replica has a write: a lognormal with this median and 90th percentile, never above ``most``."""

    median: float
    p90: float
    most: float

    def elsewhere(self, times: float) -> Delay:
        """The delay in another region: so many times as long, within ten minutes."""
        return Delay(self.median * times, self.p90 * times, _MOST_ELSEWHERE)


@dataclass(frozen=True, slots=True)
class Profile:
    """Delays for each kind of fact and observer, and each service's latency as (median, p99) seconds."""

    name: str
    delays: Mapping[tuple[str, Observer], Delay]
    """Of what has come true."""
    latency: Mapping[str, tuple[float, float]]
    endings: Mapping[tuple[str, Observer], Delay] = field(default_factory=dict)
    """Of what is true no more. What is not named here ends for everybody at once."""
    homing: float = 0.0
    """How likely a caller's call goes to the replica of Graph that took its last write, and there sees it at once."""
    data_planes: Profile | None = None
    """The delays of services that are not the tenant's own, such as blob storage."""
    elsewhere: float | None = None
    """How many times later another region of Entra ID has what this one has; ``None``: there is no other region."""
    works: Mapping[str, Delay] = field(default_factory=dict)
    """How long a service takes over what it does after its answer. What is not named here is done at once."""


NONE = Profile("none", {}, {})

_GRAPH_KINDS = ("application", "principal", "secret", "certificate", "federated", "group", "member", "binned")
_IN_GRAPH: tuple[tuple[str, Observer], ...] = tuple((kind, "graph") for kind in _GRAPH_KINDS)
_SECONDS = Delay(1, 5, 30)
"""Between replicas of the directory: a few seconds. No distribution is published."""
_SIGN_IN = Delay(5, 20, 120)
_MEMBERSHIP = Delay(20, 90, 600)
_TRUST = Delay(15, 60, 300)
_ASSIGNMENT = Delay(10, 60, 600)
"""Granted or removed, "up to 10 minutes": https://learn.microsoft.com/azure/role-based-access-control/troubleshooting"""
_PLANES: tuple[Observer, ...] = ("blob", "key_vault")
_AT_DATA_PLANES: Mapping[tuple[str, Observer], Delay] = {
    (kind, plane): Delay(30, 180, 600) for plane in _PLANES for kind in ("assignment", "member", "group")
}
"""Later than at Resource Manager: an estimate within the same ten minutes. No distribution is published."""
_AT_VAULTS: Mapping[str, Delay] = {
    "vault_delete": Delay(18, 46, 121),
    "vault_recover": Delay(13, 22, 61),
    "vault_purge": Delay(16, 30, 61),
}
"""Of a secret, until it is among the deleted ones, is read again, has left its name. Measured: 89 recorded deletions of clients
that asked until it was so, every 2 to 60 s, 22 recoveries, and 4 restorations after a purge."""
_MOST_ELSEWHERE = 600.0
"""Seconds. Another region was seen to refuse a fresh secret for ten minutes:
https://github.com/external-secrets/external-secrets/issues/3114"""

SCATTERED = Profile(
    "scattered",
    {
        # Measured over 281 recorded retry chains of role assignments sent without principalType: PrincipalNotFound
        # lasted 15 s in the median, 33 s at the 90th percentile, 121 s at most. Polling intervals are included.
        ("principal", "arm"): Delay(15, 33, 121),
        # A token for a fresh registration is refused with AADSTS700016 or 7000215 for some tens of seconds:
        # https://github.com/AzureAD/microsoft-authentication-library-for-dotnet/issues/3706 shows the former *after* a
        # success. No distribution is published; these are of the order that clients' own retries allow for.
        ("application", "entra"): Delay(8, 30, 120),
        ("principal", "entra"): Delay(8, 30, 120),
        ("secret", "entra"): _SIGN_IN,
        ("certificate", "entra"): _SIGN_IN,
        # Until tokens state a permission. No distribution is published: taken to be as quick as a secret.
        ("app_role", "entra"): _SIGN_IN,
        # "Takes time to propagate", minutes:
        # https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations
        ("federated", "entra"): _TRUST,
        # Group membership reaches ARM's evaluation like assignments do.
        ("member", "arm"): _MEMBERSHIP,
        ("assignment", "arm"): _ASSIGNMENT,
        ("enabled", "entra"): _SIGN_IN,
        **dict.fromkeys(_IN_GRAPH, _SECONDS),
    },
    # Azure publishes no latency objective for these planes: the usual order of magnitude from the same region.
    {
        "entra": (0.12, 0.8),
        "graph": (0.25, 1.5),
        "arm": (0.35, 2.0),
        "key_vault": (0.05, 0.4),
        "blob": (0.05, 0.4),
        "event_grid": (0.05, 0.4),
        "imds": (0.02, 0.2),
    },
    # Endings spread as what begins does: nobody has published otherwise.
    endings={
        ("application", "entra"): _SIGN_IN,
        ("principal", "entra"): _SIGN_IN,
        ("enabled", "entra"): _SIGN_IN,
        ("secret", "entra"): _SIGN_IN,
        ("certificate", "entra"): _SIGN_IN,
        ("app_role", "entra"): _SIGN_IN,
        ("federated", "entra"): _TRUST,
        ("assignment", "arm"): _ASSIGNMENT,
        ("member", "arm"): _MEMBERSHIP,
        ("group", "arm"): _MEMBERSHIP,
        **dict.fromkeys(_IN_GRAPH, _SECONDS),
    },
    data_planes=Profile("data planes", _AT_DATA_PLANES, {}, _AT_DATA_PLANES),
    works=_AT_VAULTS,
)
"""Every call is answered by a replica drawn anew, whoever makes it."""

TYPICAL = replace(SCATTERED, name="typical", homing=0.98)
"""A caller mostly meets its own writes. An estimate: of 20 recorded first references to an object made just before, 10 of them
within a second, none was refused; users of clients that do not repeat such a call are refused now and then
(https://github.com/hashicorp/vault-plugin-secrets-azure/issues/49)."""

TYPICAL_REGIONS = replace(TYPICAL, name="typical_regions", elsewhere=3.0)
"""Entra ID is in two regions, and whoever signs in sees one of them. An estimate: no distribution is published."""

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (NONE, TYPICAL, SCATTERED, TYPICAL_REGIONS)}
