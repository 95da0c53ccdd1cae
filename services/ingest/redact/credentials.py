"""Built-in rules for secrets: tokens by their issuers' prefixes, keys, logins in URLs."""

from services.ingest.redact.rule import Rule

_WORD = r"[A-Za-z0-9_\-]"
_PEM = r"[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?"

CREDENTIAL_RULES = (
    Rule(
        "private_key",
        # To the END line; when that was cut off, as far as the lines still look like a key.
        rf"-----BEGIN {_PEM}-----(?:(?:-{{0,4}}[^\-])*-----END {_PEM}-----"
        r"|(?:(?:\s|\\[nr])+(?:[A-Za-z0-9+/=]{16,}|[A-Z][A-Za-z\-]+: \S+))*)"
        r"|---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----(?s:.*?)---- END SSH2 [A-Z ]+ ----"
        r"|PuTTY-User-Key-File-\d:(?s:.*?)Private-MAC: ?[0-9a-fA-F]+",
        "[PRIVATE_KEY]",
    ),
    Rule(
        "jwt",
        # JWS whole or without its signature, and JWE (RFC 7515, RFC 7516).
        rf"\beyJ{_WORD}{{10,}}\.eyJ{_WORD}{{4,}}(?:\.{_WORD}*)?"
        rf"|\beyJ{_WORD}{{10,}}\.{_WORD}*\.{_WORD}+(?:\.{_WORD}+){{0,2}}",
        "[JWT]",
    ),
    Rule(
        "url_credentials",
        r"""\b[A-Za-z][A-Za-z0-9+.\-]{1,30}://([^\s/?#:@"'<>]*:[^\s/?#"'<>]+)@""",
        "[URL_CREDENTIALS]",
    ),
    Rule(
        "authorization_header",
        r"""(?i)\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?"""
        r"""((?:basic|bearer|token|digest|negotiate|apikey|aws4-hmac-sha256)\s+[^\s"'\[][^\r\n"']{5,}"""
        r"""|[^\s"'\[][^\r\n"':=]*(?:[:=][^\r\n"':=]*){0,20})""",
        "[AUTHORIZATION]",
        "authorization",
    ),
    Rule(
        "bearer_token",
        r"\b(?i:bearer|basic|token)\s+([A-Za-z0-9._~+/\-]{10,}=*)",
        "[AUTHORIZATION]",
        "token",
        ("bearer", "authorization", "basic "),
    ),
    Rule(
        "aws_access_key",
        # Key ids, session tokens by what they begin with, keys for Bedrock.
        r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"
        r"|\b(?:IQoJb3JpZ2lu|F[QIw]oGZXIvYXdz)[A-Za-z0-9+/=]{50,}"
        r"|\bABSK[A-Za-z0-9+/]{100,}={0,2}|\bbedrock-api-key-[A-Za-z0-9+/=]{50,}",
        "[AWS_KEY]",
    ),
    Rule(
        "aws_secret_key",
        r"(?:^|[^A-Za-z0-9/+])([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)",
        "[AWS_KEY]",
        "token",
        ("aws secret", "secret access key", "secretaccesskey", "aws key"),
    ),
    Rule(
        "gcp_key",
        rf"\bAIza{_WORD}{{35}}|\bGOCSPX-{_WORD}{{28}}|\bya29\.{_WORD}{{20,}}|\b1//0{_WORD}{{40,}}",
        "[GCP_KEY]",
    ),
    Rule(
        "azure_key",
        r"(?i:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{43,86}={1,2})"
        r"|[?&;]sig=([A-Za-z0-9+/%]{43,}=?)"
        r"|\b[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.\-]{31,34}|\b[A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}\b",
        "[AZURE_KEY]",
    ),
    Rule(
        "azure_api_key",
        r"\b[0-9a-f]{32}\b",
        "[AZURE_KEY]",
        "token",
        (" api key", "apikey", "subscription key", "azure"),
    ),
    Rule("anthropic_key", rf"\bsk-ant-{_WORD}{{20,}}", "[ANTHROPIC_KEY]"),
    Rule(
        "openai_key",
        rf"\bsk-(?:proj|svcacct|admin|service|None)-{_WORD}{{20,}}|\bsk-[A-Za-z0-9]{{32,}}",
        "[OPENAI_KEY]",
    ),
    Rule("openrouter_key", r"\bsk-or-v1-[0-9a-f]{32,}", "[OPENROUTER_KEY]"),
    Rule("xai_key", r"\bxai-[A-Za-z0-9]{60,}", "[XAI_KEY]"),
    Rule("perplexity_key", r"\bpplx-[A-Za-z0-9]{40,}", "[PERPLEXITY_KEY]"),
    Rule("replicate_token", r"\br8_[A-Za-z0-9]{37}\b", "[REPLICATE_TOKEN]"),
    Rule("groq_key", r"\bgsk_[A-Za-z0-9]{40,}", "[GROQ_KEY]"),
    Rule(
        "github_token",
        r"\b(?:gh[opsu]_[A-Za-z0-9]{36,255}|ghr_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})",
        "[GITHUB_TOKEN]",
    ),
    Rule(
        "gitlab_token",
        rf"\bgl(?:pat|dt|rt|ptt|cbt|ft|imt|agent|oas|soat|ffct)-{_WORD}{{20,}}(?:\.{_WORD}+)*"
        rf"|\bGR1348941{_WORD}{{20,}}",
        "[GITLAB_TOKEN]",
    ),
    Rule(
        "slack_token",
        r"\b(?:xoxe\.)?xox[abceoprs]-[A-Za-z0-9\-]{10,}|\bxapp-\d-[A-Za-z0-9\-]{10,}"
        r"|hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,}",
        "[SLACK_TOKEN]",
    ),
    Rule(
        "stripe_key",
        r"\b(?:sk|rk)_(?:live|test|prod)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/]{24,}",
        "[STRIPE_KEY]",
    ),
    Rule("twilio_key", r"\b(?:SK|AC)[0-9a-z]{32}\b", "[TWILIO_KEY]"),
    Rule("twilio_auth_token", r"\b[0-9a-f]{32}\b", "[TWILIO_KEY]", "token", ("twilio",)),
    Rule("sendgrid_key", rf"\bSG\.{_WORD}{{16,32}}\.{_WORD}{{16,64}}", "[SENDGRID_KEY]"),
    Rule(
        "huggingface_token",
        r"\b(?:hf_[A-Za-z0-9]{30,}|api_org_[A-Za-z0-9]{34})",
        "[HUGGINGFACE_TOKEN]",
    ),
    Rule(
        "npm_token",
        r"\bnpm_[A-Za-z0-9]{36}\b|//[^\s/]\S*?:_authToken=([A-Za-z0-9+/=_.\-]{20,})",
        "[NPM_TOKEN]",
    ),
    Rule("pypi_token", rf"\bpypi-AgE{_WORD}{{50,}}", "[PYPI_TOKEN]"),
)
