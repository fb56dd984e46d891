"""``python -m local.cloud``: the local cloud by itself, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from pathlib import Path

from local.cloud.local_cloud import LocalCloud, Settings


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m local.cloud", description=__doc__)
    parser.add_argument("--control-port", type=int, default=7070, help="control API and managed identity (0: any)")
    parser.add_argument("--tls-port", type=int, default=0, help="all services under Azure's own names (0: any)")
    parser.add_argument("--state-dir", type=Path, help="keeps the certificate authority")
    parser.add_argument("--function-host", default="http://127.0.0.1:7071", help="named by the control API")
    parser.add_argument("--seed", type=int, default=0, help="of every id and every delay")
    given = parser.parse_args()
    settings = Settings(
        control_port=given.control_port,
        tls_port=given.tls_port,
        state_dir=given.state_dir,
        function_host=given.function_host,
        seed=given.seed,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with LocalCloud(settings) as cloud:
        for name, url in cloud.endpoints.items():
            print(f"{name:10} {url}")
        print(f"{'CA':10} {cloud.ca_bundle}", flush=True)
        await over.wait()


if __name__ == "__main__":
    main()
