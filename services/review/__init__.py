"""review: the state of every interaction, who looked at it, and what was decided."""
