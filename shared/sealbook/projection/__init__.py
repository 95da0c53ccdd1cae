"""Read models from the log: applied once, rebuilt beside, compared by digest, swapped at once."""
