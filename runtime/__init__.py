"""The gateway: windows -> int8 model -> score -> alert -> MQTT. No TensorFlow, no YAML."""
