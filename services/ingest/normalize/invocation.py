"""Amazon Bedrock's metrics on the last chunk of any invoked model's stream, whoever made the model.

The fields are those of a model's own usage where it has one; most models on Bedrock have none.
"""

from sealbook.contract.usage import Usage
from services.ingest.normalize.reading import Fields, as_count

METRICS = "amazon-bedrock-invocationMetrics"


def metrics_usage(metrics: Fields) -> Usage:
    """The buckets; input excludes what was read from and written to the cache."""
    return Usage(
        input=as_count(metrics.get("inputTokenCount")),
        cache_read=as_count(metrics.get("cacheReadInputTokenCount")),
        cache_write=as_count(metrics.get("cacheWriteInputTokenCount")),
        output=as_count(metrics.get("outputTokenCount")),
    )
