"""The ACL file for mosquitto: to each user exactly what it needs, so that everything else is refused.

mosquitto denies what no line of its ``acl_file`` allows. Names are user names, or the common names of client
certificates where the listener has ``use_identity_as_username true``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cryptography import x509

from vedette.errors import ConfigError
from vedette.runtime.config.gateway import GatewayConfig
from vedette.runtime.mqtt.connection import MqttConfig

# mosquitto's ACL file is one rule per line, without quoting.
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f]")


def gateway_user(mqtt: MqttConfig) -> str:
    """The name by which the broker knows the gateway. Raises :class:`ConfigError` where it has none."""
    if mqtt.username is not None:
        return mqtt.username
    if mqtt.tls is None or mqtt.tls.cert is None:
        raise ConfigError(
            "[mqtt]: expected a username, or a client certificate, by which the broker knows the gateway; found neither"
        )
    try:
        certificate = x509.load_pem_x509_certificate(mqtt.tls.cert.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{mqtt.tls.cert}: expected a certificate in PEM: {error}") from None
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    if len(names) != 1:
        raise ConfigError(f"{mqtt.tls.cert}: expected one common name (CN) in the subject, found {len(names)}")
    return str(names[0].value)


def acl_file(config: GatewayConfig, consumers: Iterable[str] = ()) -> str:
    """The file's text. Raises :class:`ConfigError` for names that it cannot carry."""
    base = f"vedette/{config.gateway}"
    prefix = config.observe.prefix
    discovery = [] if prefix is None else [f"{base}/state/#", f"{prefix}/device/#"]
    user = gateway_user(config.mqtt)
    names = list(dict.fromkeys(consumers))
    if user in names:
        raise ConfigError(f'consumer: "{user}" is the gateway itself; expected another user')
    lines = [
        f"# Rights of the vedette gateway {config.gateway} and its consumers: acl_file of mosquitto.",
        "# Everything that is not here is refused.",
        *_section(
            user,
            "the gateway",
            [("write", f"{base}/alert/#"), ("write", f"{base}/status"), ("read", f"{base}/ack")]
            + [("write", topic) for topic in discovery]
            + [("read", topic) for topic in config.source_topics],
        ),
    ]
    for name in names:
        lines += _section(
            name, "a consumer", [("read", f"{base}/alert/#"), ("read", f"{base}/status"), ("write", f"{base}/ack")]
        )
    return "\n".join(lines) + "\n"


def _section(user: str, who: str, rules: list[tuple[str, str]]) -> list[str]:
    for text in (user, *(topic for _, topic in rules)):
        if not text or _UNWRITABLE.search(text) or text != text.strip():
            raise ConfigError(
                f"mosquitto's ACL file cannot carry the name {text!r}: control characters or outer spaces"
            )
    return ["", f"# {who}", f"user {user}", *(f"topic {access} {topic}" for access, topic in rules)]
