/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* See hints.h. So far all are from Ory Oathkeeper. */
#include "trust/hints.h"

#include <string.h>
#include <strings.h>

#include <apr_strings.h>

static const struct {
    const char *directive, *word, *hint;
} hints[] = {
#define CHECK "AuthBearerSessionCheck"
    { CHECK, "check_session_url", "the URL is the first word, without a key" },
    { CHECK, "introspection_url", "an introspection endpoint is asked by the provider "
      "introspection: AuthBearerIntrospection URL inside <AuthBearerIssuer>" },
    { CHECK, "token_from", "AuthBearerTokenFrom says where the token is" },
    { CHECK, "subject_from", "write subject=" },
    { CHECK, "extra_from", "write extra=" },
    { CHECK, "only", "write cookies=" },
    { CHECK, "force_method", "write method=" },
    { CHECK, "preserve_path", "true is the default here (path=url), false is "
      "path=request" },
    { CHECK, "preserve_query", "true is the default here (query=url), false is "
      "query=request" },
    { CHECK, "preserve_host", "true is host=request" },
    { CHECK, "forward_http_headers", "write headers=; the credential itself is sent as "
      "send= or cookies= says" },
    { CHECK, "additional_headers", "write add=Name:value" },
#define PROVIDER "AuthBearerProvider"
    { PROVIDER, "bearer_token", "session, with AuthBearerSessionCheck URL" },
    { PROVIDER, "cookie_session", "session, with AuthBearerSessionCheck URL "
      "cookies=NAME" },
    { PROVIDER, "oauth2_introspection", "introspection, with AuthBearerIntrospection URL "
      "inside <AuthBearerIssuer>" },
    { PROVIDER, "anonymous", "AuthBearerOptional On, beside the chain" },
    { PROVIDER, "oauth2_client_credentials", "no provider: clients get a token of the "
      "issuer and send that" },
    { PROVIDER, "noop", "no provider: a location without AuthType Bearer is open" },
    { PROVIDER, "unauthorized", "no provider: Require all denied refuses everybody" }
};

const char *bearer_hint(const char *directive, const char *word, apr_size_t len,
                        apr_pool_t *p)
{
    unsigned i;

    for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (strcasecmp(hints[i].directive, directive) == 0
            && strlen(hints[i].word) == len
            && strncasecmp(hints[i].word, word, len) == 0) {
            return apr_psprintf(p, "%.*s has another name here: %s", (int)len, word,
                                hints[i].hint);
        }
    }
    return NULL;
}
