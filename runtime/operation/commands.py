"""The commands that install and look after a gateway."""

from __future__ import annotations

import json
from pathlib import Path

import click

from vedette.errors import VedetteError


@click.command()
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--no-publish", is_flag=True, help="Send no check event to the alert topics.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(*, config: Path, no_publish: bool, as_json: bool) -> None:
    """Look at all that gateway.toml needs: files, bundles, broker, clock.

    One line per finding: ok, warn or fail, with what to do. Ends with 0 only where nothing fails.
    """
    from vedette.runtime.operation.checks.findings import as_document
    from vedette.runtime.operation.checks.gateway import check_gateway

    findings = []
    for finding in check_gateway(config, publish=not no_publish):
        findings.append(finding)
        if not as_json:
            click.echo(finding.line())
    if as_json:
        click.echo(json.dumps(as_document(findings), indent=1))
    failed = sum(finding.state == "fail" for finding in findings)
    if failed:
        raise VedetteError(
            f"{failed} of {len(findings)} findings fail; each line that begins with fail says what to do"
        )


@click.command("broker-acl")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--consumer", "consumers", multiple=True, metavar="USER", help="Who reads the alerts; may be repeated.")
def broker_acl(*, config: Path, consumers: tuple[str, ...]) -> None:
    """Print the ACL file for mosquitto that gives a gateway what it needs."""
    from vedette.runtime.config.gateway import load_gateway
    from vedette.runtime.operation.broker_acl import acl_file

    click.echo(acl_file(load_gateway(config), consumers), nl=False)


@click.command()
@click.option("-c", "--config", type=click.Path(path_type=Path), help="Default: /etc/vedette/gateway.toml.")
@click.option("--program", type=click.Path(path_type=Path), help="The vedette to run; default: this one.")
@click.option(
    "--credential",
    "credentials",
    multiple=True,
    metavar="FILE",
    help="A secret beside the configuration that only root can read; may be repeated.",
)
@click.option(
    "--device", "devices", multiple=True, type=click.Choice(["serial", "coral"]), help="Let the service use it."
)
@click.option("-o", "root", type=click.Path(path_type=Path), metavar="ROOT", help="Write the files below it: /")
def service(
    *,
    config: Path | None,
    program: Path | None,
    credentials: tuple[str, ...],
    devices: tuple[str, ...],
    root: Path | None,
) -> None:
    """Print the systemd unit of a gateway, or write it with its user and folders."""
    from vedette.runtime.operation import service as services

    config = config or services.DEFAULT_CONFIG
    text = services.unit(program=program or services.executable(), config=config, credentials=credentials)
    if root is None:
        click.echo(text, nl=False)
        return
    for path in services.write(root, services.files(text, devices)):
        click.echo(path)
    click.echo(
        "Next, as root:\n"
        "  systemd-sysusers && systemd-tmpfiles --create\n"
        f"  vedette check {config}\n"
        "  systemctl daemon-reload && systemctl enable --now vedette",
        err=True,
    )


OPERATION_COMMANDS: list[click.Command] = [check, broker_acl, service]
