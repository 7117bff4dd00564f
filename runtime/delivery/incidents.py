"""The end of incidents that were open when the gateway died: told by the next run, since nobody else can."""

from __future__ import annotations

import json
import uuid

from vedette.runtime.delivery.cloudevents import encode
from vedette.runtime.delivery.outbox import OpenIncident, OutgoingAlert

REASON = "gateway restarted"


def end_of(incident: OpenIncident) -> OutgoingAlert:
    """The last step of an incident of an earlier run, made from its last event.

    Its end is the time of that event: nothing that came after was kept. Works for every event whose type ends with its
    phase and whose data have ``phase``, ``seq`` and ``end``.
    """
    event = json.loads(incident.payload)
    data = event["data"]
    rank = incident.severity
    if data.get("peak") and data.get("threshold"):
        data["severity"] = float(f"{data['peak'] / data['threshold']:.6g}")
        rank = max(rank, data["severity"])
    data |= {"phase": "end", "seq": data["seq"] + 1, "end": event["time"], "reason": REASON}
    event |= {"id": str(uuid.uuid4()), "type": event["type"].rpartition(".")[0] + ".end"}
    return OutgoingAlert(event["id"], incident.topic, rank, incident.time, encode(event), incident.alert_id)
