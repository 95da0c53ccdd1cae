"""Sealbook: the flight recorder for LLM applications."""
