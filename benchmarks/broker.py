"""A small MQTT broker for the demo, as a child process: amqtt, on a free loopback port, MQTT 3.1.1, nothing on disk.

Run as ``python -m vedette.benchmarks.broker``: prints its port, and ends when its standard input is closed, so that it
cannot outlive the process that started it. For demonstrations only: a plant needs a real broker.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys

import click

HOST = "127.0.0.1"
# A free port may be taken by another program before we bind it.
ATTEMPTS = 5


def main() -> None:
    """Serve until standard input is closed."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(_serve())


async def _serve() -> None:
    from amqtt.broker import Broker
    from amqtt.errors import BrokerError

    for attempt in range(ATTEMPTS):
        port = _free_port()
        broker = Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        try:
            await broker.start()
            break
        except BrokerError:
            if attempt == ATTEMPTS - 1:
                raise
    click.echo(port)
    await asyncio.to_thread(sys.stdin.read)
    await broker.shutdown()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
