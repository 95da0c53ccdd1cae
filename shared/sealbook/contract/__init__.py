"""The contract: what travels on the bus and its rules. Pure: standard library and pydantic only."""
