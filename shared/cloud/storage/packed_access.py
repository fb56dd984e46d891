"""All auth roles and policies of one version, packed into a few rows: a worker reads them with one request.

The documents themselves are what counts. The packed copy has the version of the configuration at which they were read. Each
change makes another version, and none comes twice. So a copy of the present version is true, and any other is left alone.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from shared.cloud.storage.table_operations import Row
from shared.cloud.storage.tables import CHUNK, chunked, joined
from shared.core.forms import PACKED

PREFIX = "packed_"
MOST_ROWS = 8
"""So that all rows fit into one transaction, which has 4 MiB at most."""
_ROOM = 14 * CHUNK
"""Characters of one row. With two octets each they stay below a MiB, which is the most of a row.
https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model"""
_QUICK = 1
"""The level of compression. A higher one takes longer, and leaves a tenth less."""


class Packed(NamedTuple):
    """A document as it is stored: its text, the ETag of its row and the form of that."""

    text: str
    etag: str
    form: int


def packed_rows(partition: str, version: str, documents: Mapping[str, Packed]) -> list[Row]:
    """Returns the rows of a copy; none if the documents are too many for that. ``documents``: by the keys of their rows."""
    text = b64encode(zlib.compress(json.dumps(documents).encode(), _QUICK)).decode()
    parts = [text[at : at + _ROOM] for at in range(0, len(text), _ROOM)]
    if len(parts) > MOST_ROWS:
        return []
    common = {"PartitionKey": partition, **PACKED.stamp, "Version": version, "Rows": len(parts)}
    return [{**common, "RowKey": f"{PREFIX}{place}", **chunked("Packed", part)} for place, part in enumerate(parts)]


def packed_version(rows: Sequence[Row]) -> str | None:
    """Returns the version of the copy in these rows, in the order of their keys. ``None``: they are no whole copy."""
    if not rows or not PACKED.knows(rows[0]):
        return None
    version, count = rows[0].get("Version"), rows[0].get("Rows")
    whole = isinstance(count, int) and 0 < count <= len(rows) and all(row.get("Version") == version for row in rows[:count])
    return version if whole and isinstance(version, str) else None


def unpacked(rows: Sequence[Row]) -> Iterator[tuple[str, Packed]]:
    """Yields each document of a whole copy with the key of its row. Raises ``Unreadable``."""
    with PACKED.reading(rows[0]):
        text = "".join(joined("Packed", row) for row in rows[: rows[0]["Rows"]])
        for key, (content, etag, form) in json.loads(_inflated(text)).items():
            yield key, Packed(str(content), str(etag), int(form))


def _inflated(text: str) -> bytes:
    try:
        return zlib.decompress(b64decode(text, validate=True))
    except zlib.error as damage:
        raise ValueError from damage
