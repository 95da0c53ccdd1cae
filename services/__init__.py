"""Sealbook's services. They never import each other; they talk over the log."""
