"""Who a caller is, by the claims of its access token. Pure: the signature was checked before, or nobody relies on the result.

Claims and their meaning: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference. A claim of another
JSON type than is expected counts as absent. In a list, what is no text is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from shared.core.access.folding import fold
from shared.core.caller import Caller, CallerType
from shared.core.errors import Unauthenticated
from shared.core.names import ObjectId, Unparsable

type Claims = Mapping[str, Any]

SCOPE = "access"
"""The one scope of the broker's API. A user's token has it if the user has consented to this API."""
_LONGEST_NAME = 128
_NAME_CLAIMS = ("preferred_username", "name", "app_displayname")
_MALFORMED = "The access token is malformed."
_NO_IDENTITY = "The access token does not say who the caller is: it has no oid claim."
_TWO_CLIENTS = "The access token names two different clients."
_NO_CLIENT = "The token does not say which client asked for it: it is no access token."
_NO_SCOPE = f"The access token does not carry the scope {SCOPE} of this broker."
_NOT_APP = "The access token is neither a user's, with a scope, nor an application's."


def caller_of(claims: Claims, tenant: ObjectId, *, home: ObjectId, fingerprint: str = "") -> Caller:
    """Returns the caller of that tenant. ``home`` is the broker's own. Raises ``Unauthenticated``."""
    return Caller(
        object_id=_object_id(claims),
        tenant_id=tenant,
        kind=_kind(claims),
        token_fingerprint=fingerprint,
        app_id=_client_id(claims),
        name=_name(claims),
        app_roles=_texts(claims, "roles"),
        groups=frozenset(map(fold, _texts(claims, "groups"))),
        has_more_groups=_has_more_groups(claims),
        at_home=tenant == home,
    )


def text_claim(claims: Claims, name: str) -> str | None:
    """Returns a claim that is a text. A claim of another type counts as absent."""
    value = claims.get(name)
    return value if isinstance(value, str) else None


def _kind(claims: Claims) -> CallerType:
    """Only a user's token has scopes. A token without scopes is an application's, and its ``idtyp``, if any, says so."""
    scopes = text_claim(claims, "scp")
    if scopes is not None:
        return CallerType.USER if SCOPE in scopes.split(" ") else _refuse(_NO_SCOPE)
    return CallerType.APPLICATION if text_claim(claims, "idtyp") in {None, "app"} else _refuse(_NOT_APP)


def _object_id(claims: Claims) -> ObjectId:
    """Returns ``oid``. ``sub`` never replaces it: a user has another ``sub`` for each client."""
    try:
        return ObjectId.parse(text_claim(claims, "oid") or "")
    except Unparsable as wrong:
        raise Unauthenticated(_NO_IDENTITY) from wrong


def _client_id(claims: Claims) -> ObjectId:
    """Returns ``appid`` (version 1) or ``azp`` (version 2). An ID token has neither."""
    named = [text for claim in ("appid", "azp") if (text := text_claim(claims, claim)) is not None]
    try:
        clients = {ObjectId.parse(each) for each in named}
    except Unparsable as wrong:
        raise Unauthenticated(_MALFORMED) from wrong
    if len(clients) > 1:
        _refuse(_TWO_CLIENTS)
    return clients.pop() if clients else _refuse(_NO_CLIENT)


def _name(claims: Claims) -> str | None:
    """Returns a name for readers of the audit trail. Nothing is decided by it."""
    names = (text_claim(claims, claim) for claim in _NAME_CLAIMS)
    printable = ("".join(filter(str.isprintable, name))[:_LONGEST_NAME] for name in names if name)
    return next((name for name in printable if name), None)


def _has_more_groups(claims: Claims) -> bool:
    """Whether the groups were too many for the token: ``hasgroups``, or ``groups`` among the claims that are elsewhere.

    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference#groups-overage-claim. The address in
    ``_claim_sources`` is never called.
    """
    elsewhere = claims.get("_claim_names")
    return claims.get("hasgroups") is True or (isinstance(elsewhere, Mapping) and "groups" in elsewhere)


def _texts(claims: Claims, name: str) -> frozenset[str]:
    listed = claims.get(name)
    return frozenset(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else frozenset()


def _refuse(why: str) -> NoReturn:
    raise Unauthenticated(why)
