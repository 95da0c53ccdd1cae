"""rollup: daily sums of calls, errors, tokens, cost and latency."""
