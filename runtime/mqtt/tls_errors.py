"""What went wrong with TLS, in words that say what to do."""

from __future__ import annotations

import ssl

# X509_V_ERR_… of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_CA = {2, 18, 19, 20, 21}
_OTHER_HOST = {62, 64}
# The reasons of alerts that the broker sends, as in OpenSSL's sslerr.h.
_ALERTS = {
    "CERTIFICATE_REQUIRED": "the broker wants a client certificate; set cert and key in [mqtt] tls",
    "HANDSHAKE_FAILURE": "the broker refuses the handshake; it may want a client certificate (cert and key)",
    "UNKNOWN_CA": "the broker does not know the CA of our client certificate; use one that it trusts",
    "CERTIFICATE_EXPIRED": "our client certificate has expired; renew it",
    "BAD_CERTIFICATE": "the broker refuses our client certificate; it may be damaged, or signed by another CA",
    "CERTIFICATE_REVOKED": "our client certificate is revoked; get a new one",
    "CERTIFICATE_UNKNOWN": "the broker refuses our client certificate",
    "PROTOCOL_VERSION": "the broker speaks no TLS that we accept; it needs TLS 1.2 or newer",
    "WRONG_VERSION_NUMBER": "the answer is not TLS; is this the broker's plaintext port?",
    "RECORD_LAYER_FAILURE": "the answer is not TLS; is this the broker's plaintext port?",
}


def explain(error: BaseException) -> str:
    """An error of a connection in words; those that are not about TLS keep their own.

    >>> explain(OSError("no route to host"))
    'no route to host'
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the broker's certificate is refused: {_verification(error)}"
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        for name, words in _ALERTS.items():
            if name in reason:
                return f"TLS: {words}"
    if isinstance(error, (ssl.SSLEOFError, ConnectionResetError)):
        return "the broker closed the connection; so it is where one side speaks TLS and the other plaintext"
    return (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__


def _verification(error: ssl.SSLCertVerificationError) -> str:
    code = error.verify_code
    if code == _EXPIRED:
        return "it has expired; renew it (or this machine's clock is wrong)"
    if code == _NOT_YET_VALID:
        return "it is not valid yet; this machine's clock may be wrong"
    if code in _UNKNOWN_CA:
        return "it is not signed by a CA that we trust; set ca in [mqtt] tls to the broker's CA"
    if code in _OTHER_HOST:
        return f"{error.verify_message.rstrip('.')}; set [mqtt] host to a name in the certificate"
    return error.verify_message
