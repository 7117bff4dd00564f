"""The desktop: data -> windows -> Keras autoencoder -> threshold -> evaluation."""
