"""JetStream as Sealbook uses it: streams, atomic batches, our own read loop. nats-py only."""
