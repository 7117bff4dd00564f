"""The commands that ``runtime`` brings to the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import click

from vedette.runtime.operation.commands import OPERATION_COMMANDS


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option(
    "--log",
    "style",
    type=click.Choice(["json", "text"]),
    help="The log on stderr; default: json under journald.",
)
def run(config: Path, style: Literal["json", "text"] | None) -> None:
    """Score the streams of gateway.toml and send alerts. SIGHUP reads it again."""
    import signal

    from vedette.runtime import logs
    from vedette.runtime.config.gateway import load_gateway
    from vedette.runtime.daemon.daemon import Daemon

    with logs.failures_told(logs.set_up(style)):
        # Until there is something to reload, SIGHUP must not end the process, which is what it does by default.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        daemon = Daemon(load_gateway(config), read_again=lambda: load_gateway(config))
        signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: daemon.stop())
        daemon.run()


@click.command()
@click.option("-c", "--config", type=click.Path(path_type=Path), help="Take the broker from this gateway.toml.")
@click.option("--broker", metavar="HOST[:PORT]", help="The broker: TLS, but plaintext on this machine.")
@click.option("--ca", type=click.Path(path_type=Path), help="The CA certificate that signed the broker's (PEM).")
@click.option("--client-id", help="The name of this consumer's session at the broker.")
@click.option("--json", "as_json", is_flag=True, help="Print the events as JSON lines.")
@click.option("--state", type=click.Path(path_type=Path), help="Remember here what was printed, for the next run.")
@click.option("--count", type=click.IntRange(min=1), help="End after this many events.")
@click.option("--timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", help="End after this time.")
def listen(
    *,
    config: Path | None,
    broker: str | None,
    ca: Path | None,
    client_id: str | None,
    as_json: bool,
    state: Path | None,
    count: int | None,
    timeout: float | None,
) -> None:
    """Print alerts as they arrive, and acknowledge them."""
    from vedette.runtime import logs
    from vedette.runtime.config.gateway import broker_config, load_broker
    from vedette.runtime.delivery.listen import Listener, default_client_id, show_as
    from vedette.runtime.delivery.seen import SeenIds

    if (config is None) == (broker is None):
        raise click.UsageError("give either --config gateway.toml or --broker host:port")
    logs.set_up()
    name = client_id or default_client_id()
    settings = load_broker(config, client_id=name) if config else broker_config(broker or "", client_id=name, ca=ca)
    seen = SeenIds(state)
    try:
        Listener(settings, show_as(json_lines=as_json), seen=seen).run(count=count, timeout=timeout)
    finally:
        seen.close()


@click.command()
@click.argument("config", type=click.Path(path_type=Path), default=Path("/etc/vedette/gateway.toml"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Show it anew every second, until Ctrl-C.")
@click.option("--socket", type=click.Path(path_type=Path), help="Ask at this socket, and read no gateway.toml.")
def status(*, config: Path, as_json: bool, watch: bool, socket: Path | None) -> None:
    """Show what the running gateway of gateway.toml sees and does."""
    from vedette.runtime.observe import status_command

    paths = [socket] if socket else status_command.places(config)
    if watch:
        status_command.watch(paths, as_json=as_json)
    else:
        click.echo(status_command.once(paths, as_json=as_json), nl=False)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(*, bundle: Path, as_json: bool) -> None:
    """Show what is in a bundle."""
    from vedette.runtime.bundles import bundle as bundles
    from vedette.runtime.bundles.inspection import describe, sheet

    description = describe(bundles.read(bundle))
    click.echo(json.dumps(description, indent=1) if as_json else sheet(description))


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--interpreter", help="TFLite package to use: ai-edge-litert or tflite-runtime.")
def selftest(*, bundle: Path, interpreter: str | None) -> None:
    """Replay a bundle's golden windows on this machine."""
    from vedette.runtime.bundles import bundle as bundles
    from vedette.runtime.bundles.selftest import self_test

    loaded = bundles.read(bundle)
    result = self_test(loaded, loaded.load_model(package=interpreter))
    told = f"{result.differing} of {result.outputs} outputs differ (by at most {result.largest:g})"
    click.echo(
        f"ok: {result.windows} golden windows, {told}; {result.package} {result.version}, family {result.family}"
    )


COMMANDS: list[click.Command] = [run, status, listen, inspect, selftest, *OPERATION_COMMANDS]
