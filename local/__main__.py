"""``python -m local up | demo``: what ``make up`` and ``make demo`` run."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import replace

from local import up
from local.demo import Story
from local.stack import Stack
from local.telling import StepFailedError

_OFTEN = "*/5 * * * * *"
"""When pools are filled in the story: nobody wants to wait for a minute."""


async def demo() -> int:
    """The story, on a stack of its own. Gives 0 only if every step held."""
    # A sign-in is refused on purpose, and the story says so in its own words.
    logging.getLogger("azure").addHandler(logging.NullHandler())
    print("Starting storage, the local Azure and the broker ...", flush=True)
    async with Stack(fill_schedule=_OFTEN) as stack, stack.visitor() as visitor:
        await up.configure(stack)
        try:
            await Story(visitor, stack.url, stack.described).tell()
        except StepFailedError as failed:
            print(f"\nThis step did not hold: {failed}\n", file=sys.stderr)
            print("\n".join(stack.hosts[0].output[-40:]), file=sys.stderr)
            return 1
    print("\nEvery step held.")
    return 0


def main() -> int:
    """Reads the command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    upward = commands.add_parser("up", help="everything, until Ctrl-C")
    upward.add_argument("--tls-port", type=int, default=0, help="all services under Azure's own names (0: any)")
    upward.add_argument("--groups", action="store_true", help="the broker may do what roles with azure_groups need")
    commands.add_parser("demo", help="one lease's life, told step by step")
    given = parser.parse_args()
    if given.command == "demo":
        return up.run(demo())
    return up.run(up.up(replace(up.FIXED, tls=given.tls_port), groups=given.groups))


if __name__ == "__main__":
    sys.exit(main())
