"""Providers that speak OpenAI's API, mapped by `openai`; their differences and where they stand.

azure        first stream chunk without choices or model; content filter results; errors with 200
groq         usage of a stream under `x_groq` in the last chunk           (streams.openai_chat)
together     `text.completion`, finish reason "eos", answer without refusal
deepseek     `prompt_cache_hit_tokens`, `reasoning_content`               (openai_usage)
moonshot     `cached_tokens` at the top of usage                          (openai_usage)
openrouter   `cache_write_tokens`, errors with a numeric code             (openai_usage, outcome)
xai          reasoning tokens beside the completion, not inside it        (openai_usage)
"""

# Second names are those of the OpenTelemetry GenAI conventions and of LiteLLM.
PROVIDERS = (
    "openai",
    "azure",
    "azure_openai",
    "azure.ai.openai",
    "az.ai.openai",
    "azure.ai.inference",
    "az.ai.inference",
    "groq",
    "together",
    "together_ai",
    "deepseek",
    "moonshot",
    "openrouter",
    "xai",
    "x_ai",
    "fireworks",
    "fireworks_ai",
    "perplexity",
    "cerebras",
    "nvidia",
    "vllm",
    "lmstudio",
)
