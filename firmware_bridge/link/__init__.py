"""The serial link between a microcontroller and the gateway: frames, messages, the gateway's half and the C pair."""
