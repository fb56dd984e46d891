"""Where the broker publishes events, and as whom."""

from __future__ import annotations

import pytest

from shared.core.errors import Misconfigured
from shared.settings import load
from shared.settings.events import Events
from tests.unit.test_settings import LEAST

PUBLIC = "https://leasehold.westeurope-1.eventgrid.azure.net/api/events"


def test_without_a_topic_events_are_off() -> None:
    """That is the default."""
    assert Events("", "/leasehold/local") == load(LEAST).events


@pytest.mark.parametrize(
    "given", [PUBLIC, f"{PUBLIC}/", PUBLIC.removesuffix("/api/events"), PUBLIC.replace("net/", "net:443/")]
)
def test_a_topic_is_its_endpoint_with_its_path(given: str) -> None:
    """Azure shows it with the path; without it, it means the same."""
    found = load({**LEAST, "LEASEHOLD_EVENT_TOPIC": given, "WEBSITE_SITE_NAME": "Leasehold-App"}).events
    assert (PUBLIC, "/leasehold/leasehold-app") == (found.topic.replace(":443", ""), found.source)


@pytest.mark.parametrize(
    ("authority", "suffix"),
    [
        ("https://login.microsoftonline.us", "eventgrid.azure.us"),
        ("https://login.partner.microsoftonline.cn", "eventgrid.azure.cn"),
    ],
)
def test_a_topic_is_in_the_broker_s_own_cloud(authority: str, suffix: str) -> None:
    """A token of the broker is sent there."""
    own = PUBLIC.replace("eventgrid.azure.net", suffix)
    cloud = {**LEAST, "LEASEHOLD_AUTHORITY": authority}
    assert own == load({**cloud, "LEASEHOLD_EVENT_TOPIC": own}).events.topic
    with pytest.raises(Misconfigured, match=f"LEASEHOLD_EVENT_TOPIC: expected the endpoint of a topic.*{suffix}"):
        load({**cloud, "LEASEHOLD_EVENT_TOPIC": PUBLIC})


@pytest.mark.parametrize("given", ["http://127.0.0.1:8000/api/events", "https://localhost:8443"])
def test_a_topic_may_be_on_this_machine(given: str) -> None:
    """For tests and local stacks."""
    assert load({**LEAST, "LEASEHOLD_EVENT_TOPIC": given}).events.topic.startswith(given)


@pytest.mark.parametrize(
    "given",
    [
        "leasehold",
        PUBLIC.replace("https", "http"),
        "https://eventgrid.azure.net/api/events",
        "https://evileventgrid.azure.net/api/events",
        "https://leasehold.eventgrid.azure.net.example.net/api/events",
        "https://example.net/api/events",
        PUBLIC.replace("/api", ":8443/api"),
        PUBLIC.replace("/events", "/other"),
        f"{PUBLIC}?sig=x",
        PUBLIC.replace("leasehold", "me:x@leasehold"),
        PUBLIC.replace("leasehold", "a_b"),
    ],
)
def test_anything_else_is_refused(given: str) -> None:
    """The broker's token goes to Event Grid alone."""
    with pytest.raises(Misconfigured, match="LEASEHOLD_EVENT_TOPIC"):
        load({**LEAST, "LEASEHOLD_EVENT_TOPIC": given})
