"""The application permissions in an access token: its claim ``roles``.

Only its resource is meant to read a token, and Graph's has no format that Microsoft promises
(https://learn.microsoft.com/entra/identity-platform/access-tokens). So what is read here proves a lease, and decides nothing
else. https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from shared.cloud.entra.unverified_token import UnreadableToken, read
from shared.core.readiness.verdicts import Verdict, Word
from shared.core.secret import Secret


def carries(token: Secret, wanted: AbstractSet[str]) -> Verdict:
    """Returns whether the token carries all of these. A token that cannot be read says neither yes nor no."""
    try:
        found = read(token.reveal()).claims.get("roles")
    except UnreadableToken:
        return Verdict(Word.NOTHING, "token_unreadable")
    carried = {each for each in found if isinstance(each, str)} if isinstance(found, list) else set[str]()
    return Verdict(Word.YES) if wanted <= carried else Verdict(Word.NOT_YET, "app_roles_missing")
