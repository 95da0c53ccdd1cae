"""What a deployment needs before its first message: secrets, permissions, roles, streams."""
