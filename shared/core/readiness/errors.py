"""Why a credential is never handed out. ``shared.core.errors`` draws the whole tree."""

from __future__ import annotations

from shared.core.errors import Refused


class NeverReady(Refused):
    """A fresh credential was tried out, and Azure refuses it in a way that waiting does not change."""

    sentence = "Azure refuses what was made for this lease, and waiting does not change that. Nothing was left behind."
