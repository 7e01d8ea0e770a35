"""Error replies as the providers send them: status, headers, body, and what they mean."""

import dataclasses


@dataclasses.dataclass
class Error:
    status: int
    kind: str           # the class a reader should come to
    type: str           # the provider's type
    code: str | None
    message: str
    retry_after: float | None = None
    html: bool = False

    @property
    def truth(self) -> dict:
        return {"class": self.kind, "type": self.type, "code": self.code, "message": self.message,
                "html": self.html}


OPENAI = {
    "auth": Error(401, "auth", "invalid_request_error", "invalid_api_key",
                  "Incorrect API key provided."),
    "permission": Error(403, "auth", "invalid_request_error", "unsupported_country_region_territory",
                        "Country, region, or territory not supported"),
    "not_found": Error(404, "invalid_request", "invalid_request_error", "model_not_found",
                       "The model does not exist or you do not have access to it."),
    "invalid": Error(400, "invalid_request", "invalid_request_error", None,
                     "Invalid value for 'temperature'."),
    "context_length": Error(400, "context_length", "invalid_request_error",
                            "context_length_exceeded",
                            "This model's maximum context length is 128000 tokens."),
    "content_filter": Error(400, "content_filter", "invalid_request_error",
                            "content_policy_violation",
                            "Your request was rejected as a result of our safety system."),
    "rate_limit": Error(429, "rate_limit", "requests", "rate_limit_exceeded",
                        "Rate limit reached for requests.", retry_after=0.05),
    "quota": Error(429, "quota", "insufficient_quota", "insufficient_quota",
                   "You exceeded your current quota, please check your plan and billing details."),
    "timeout": Error(408, "timeout", "timeout", None, "Request timed out."),
    "server": Error(500, "server", "server_error", None,
                    "The server had an error while processing your request."),
    "overloaded": Error(503, "overloaded", "service_unavailable_error", None,
                        "The engine is currently overloaded, please try again later."),
    "html503": Error(503, "server", "", None, "", html=True),
    "bad_gateway": Error(502, "server", "", None, "", html=True),
}

ANTHROPIC = {
    "auth": Error(401, "auth", "authentication_error", None, "invalid x-api-key"),
    "permission": Error(403, "auth", "permission_error", None,
                        "Your API key does not have permission to use the specified resource."),
    "not_found": Error(404, "invalid_request", "not_found_error", None, "model: no-such-model"),
    "invalid": Error(400, "invalid_request", "invalid_request_error", None,
                     "max_tokens: Field required"),
    "context_length": Error(400, "context_length", "invalid_request_error", None,
                            "prompt is too long: 210000 tokens > 200000 maximum"),
    "content_filter": Error(400, "content_filter", "invalid_request_error", None,
                            "Output blocked by content filtering policy"),
    "rate_limit": Error(429, "rate_limit", "rate_limit_error", None,
                        "This request would exceed your organization's rate limit.",
                        retry_after=0.05),
    "quota": Error(400, "quota", "invalid_request_error", None,
                   "Your credit balance is too low to access the Anthropic API."),
    "timeout": Error(504, "timeout", "timeout_error", None, "Request timed out."),
    "server": Error(500, "server", "api_error", None, "Internal server error"),
    "overloaded": Error(529, "overloaded", "overloaded_error", None, "Overloaded"),
    "html503": Error(503, "server", "", None, "", html=True),
    "bad_gateway": Error(502, "server", "", None, "", html=True),
}

HTML = (b"<html>\r\n<head><title>Service Temporarily Unavailable</title></head>\r\n<body>\r\n"
        b"<center><h1>Service Temporarily Unavailable</h1></center>\r\n</body>\r\n</html>\r\n")
