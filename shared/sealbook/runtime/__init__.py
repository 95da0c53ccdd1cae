"""What a running process holds: settings, connections, keys, authorization, telemetry, health."""
