"""A machine on which Azure's names lead to the local cloud."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local.conftest import Cloud
from tests.local.sdk.tunnel import tunnel


@pytest.fixture
def named(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """What a line in the hosts file and a trusted authority make of a machine."""
    with tunnel(int(cloud.endpoints["all_tls"].rpartition(":")[2])) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, cloud.ca_bundle)
        yield cloud
