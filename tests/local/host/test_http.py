from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from local.host.process import FunctionHost
from tests.local.host.hosting import client, hosting, wrote

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host() -> AsyncIterator[FunctionHost]:
    """One host for all of these: they change nothing in it."""
    async with hosting(SAMPLE_SETTING="from the environment", FUNCTIONS_REQUEST_BODY_SIZE_LIMIT="1000") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def http(host: FunctionHost) -> AsyncIterator[httpx.AsyncClient]:
    """A client of that host."""
    async with client(host) as opened:
        yield opened


async def test_a_function_sees_its_request(http: httpx.AsyncClient) -> None:
    """Method, URL, headers, query, route and body arrive as the real host converts them."""
    headers = [("X-Twice", "1"), ("X-Twice", "2")]
    answer = await http.post("/echo/a%20b/7?q=1&q=2&empty=", content="hello", headers=headers)
    seen = answer.json()
    expected = {
        "method": "POST",
        "url": f"{http.base_url}/echo/a%20b/7?q=1&q=2&empty=".replace("//echo", "/echo"),
        "params": {"q": "1,2"},
        "route": {"name": "a b", "number": "7"},
        "body": "hello",
    }
    assert (expected, "1,2") == ({name: seen[name] for name in expected}, seen["headers"]["x-twice"])


async def test_the_answer_is_as_the_function_gave_it(http: httpx.AsyncClient) -> None:
    """Status and media type are the function's."""
    answer = await http.get("/echo/x")
    assert (201, "application/json") == (answer.status_code, answer.headers["content-type"])


async def test_cookies_stay_apart_and_bytes_stay_bytes(http: httpx.AsyncClient) -> None:
    """Two cookies are two headers; a binary body arrives whole."""
    answer = await http.get("/cookies")
    assert (["a=1; Path=/", "b=2; Path=/"], b"\x00\xff") == (answer.headers.get_list("set-cookie"), answer.content)


async def test_a_synchronous_function_runs_in_the_thread_pool(http: httpx.AsyncClient) -> None:
    """The worker's own pool, not the event loop's thread."""
    answer = await http.get("/cookies")
    assert answer.headers["x-thread"].startswith("ThreadPoolExecutor")


async def test_a_string_is_plain_text(http: httpx.AsyncClient) -> None:
    """A function that returns a string answers 200 with it; app settings are its environment."""
    answer = await http.get("/text")
    assert (200, "setting: from the environment") == (answer.status_code, answer.text)


async def test_a_failure_is_500_without_a_body(http: httpx.AsyncClient, host: FunctionHost) -> None:
    """What went wrong is in the log, with its traceback, not in the answer."""
    answer = await http.get("/fail")
    await wrote(host, "LookupError: this function always fails")
    await wrote(host, "function fail ")
    assert (500, b"") == (answer.status_code, answer.content)


async def test_returning_nothing_is_a_failure(http: httpx.AsyncClient) -> None:
    """The worker cannot turn ``None`` into an HTTP answer."""
    assert (await http.get("/nothing")).status_code == 500


@pytest.mark.parametrize(("method", "path"), [("GET", "/unknown"), ("DELETE", "/cookies"), ("GET", "/admin/unknown")])
async def test_what_is_not_there_is_404(http: httpx.AsyncClient, method: str, path: str) -> None:
    """An unknown path, and a known path under another method, alike."""
    assert (await http.request(method, path)).status_code == 404


async def test_a_body_over_the_limit_is_500(http: httpx.AsyncClient, host: FunctionHost) -> None:
    """The limit is the app setting's, the answer the real host's: the function's binding fails, and only the log says why."""
    answers = [await http.post("/echo/x", content=b"x" * size) for size in (1000, 1001)]
    await wrote(host, "Request body too large. The max request body size is 1000 bytes.")
    assert [201, 500] == [answer.status_code for answer in answers]
    assert b"" == answers[1].content


async def test_a_body_that_does_not_say_its_length_is_counted(http: httpx.AsyncClient) -> None:
    """Sent in chunks."""

    async def chunks(count: int) -> AsyncIterator[bytes]:
        for _ in range(count):
            yield b"x" * 100

    assert [201, 500] == [(await http.post("/echo/x", content=chunks(count))).status_code for count in (10, 11)]


async def test_a_body_that_leads_nowhere_is_not_read(http: httpx.AsyncClient) -> None:
    """404, however large it is."""
    assert 404 == (await http.post("/unknown", content=b"x" * 5000)).status_code


async def test_head_brings_no_body(http: httpx.AsyncClient) -> None:
    """Nor a length that the function has not said."""
    answer = await http.head("/text")
    assert (200, b"") == (answer.status_code, answer.content)
    assert "content-length" not in answer.headers
    assert (404, b"") == ((missing := await http.head("/echo/x")).status_code, missing.content)


async def test_a_function_that_overruns_its_timeout_is_ended(http: httpx.AsyncClient, host: FunctionHost) -> None:
    """``functionTimeout`` of host.json, here two seconds."""
    answer = await http.get("/stuck")
    await wrote(host, "longer than functionTimeout")
    assert answer.status_code == 500


async def test_a_client_that_goes_away_does_not_stop_the_function(http: httpx.AsyncClient, host: FunctionHost) -> None:
    """The function runs to its end; only its answer is lost."""
    with pytest.raises(httpx.ReadTimeout):
        await http.get("/wait", timeout=0.2)
    await wrote(host, "waiting")
    await http.get("/open")
    await wrote(host, "waited")
