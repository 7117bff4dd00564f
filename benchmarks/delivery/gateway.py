"""``vedette run`` that also says which alerts it has committed: what a ledger outside the daemon is kept from."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path

from vedette.runtime import logs
from vedette.runtime.config.gateway import load_gateway
from vedette.runtime.daemon.daemon import Daemon


def main() -> None:
    """Run the gateway of the configuration that is the first argument."""
    handler = logging.StreamHandler()  # every line: the log of `vedette run` leaves some out in a flood
    handler.setFormatter(logs.TextLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("vedette.runtime.delivery.delivery").setLevel(logging.DEBUG)
    daemon = Daemon(load_gateway(Path(sys.argv[1])))
    signal.signal(signal.SIGTERM, lambda *_: daemon.stop())
    daemon.run()


if __name__ == "__main__":
    main()
