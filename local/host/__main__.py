"""``python -m local.host --app DIR --port 7071``: one host in the foreground. Prints ``ready <url>`` when it answers."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from local.host.options import AppSettings, UnusableAppError
from local.host.server import Listening, load


def main() -> int:
    """Reads the command line and serves. The exit status is 0 after an orderly end, 2 when the app is unusable."""
    parser = argparse.ArgumentParser(prog="python -m local.host", description=__doc__)
    parser.add_argument("--app", type=Path, default=Path(), help="folder of function_app.py and host.json")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7071, help="0: any free one")
    parser.add_argument("--grace", type=float, default=10, help="seconds for running functions when asked to end")
    parser.add_argument("--tethered", action="store_true", help="end when standard input ends")
    given = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    app = given.app.resolve()
    try:
        environment = os.environ
        settings = AppSettings.read(app, environment)
        environment.update(settings.values)
        host = load(app, settings)
    except UnusableAppError as error:
        print(f"cannot run this app: {error}", file=sys.stderr)
        return 2
    asyncio.run(host.serve(Listening(given.address, given.port, given.grace, given.tethered)))
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    logging.shutdown()
    # Azure ends a worker without taking it down: an app gets no chance to close its clients, and nobody complains of it.
    os._exit(status)
