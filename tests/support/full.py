"""Whether the walks leave nothing out: with ``WALKS=full``. Otherwise they take what a build has time for."""

from __future__ import annotations

import os

IS_FULL = os.environ.get("WALKS") == "full"
