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
    { CHECK, "check_session_url", "the URL is the first argument, without a key" },
    { CHECK, "introspection_url", "for an introspection endpoint, use the provider introspection, "
                                  "with AuthBearerIntrospection URL in <AuthBearerIssuer>" },
    { CHECK, "token_from", "use AuthBearerTokenFrom to name where the token is" },
    { CHECK, "subject_from", "write subject=" },
    { CHECK, "extra_from", "write extra=" },
    { CHECK, "only", "write cookies=" },
    { CHECK, "force_method", "write method=" },
    { CHECK, "preserve_path", "true is the default (path=url), false is path=request" },
    { CHECK, "preserve_query", "true is the default (query=url), false is query=request" },
    { CHECK, "preserve_host", "true is host=request" },
    { CHECK, "forward_http_headers", "write headers=; for the credential, use send= or cookies=" },
    { CHECK, "additional_headers", "write add=Name:value" },
#define PROVIDER "AuthBearerProvider"
    { PROVIDER, "bearer_token", "session, with AuthBearerSessionCheck URL" },
    { PROVIDER, "cookie_session", "session, with AuthBearerSessionCheck URL "
      "cookies=NAME" },
    { PROVIDER, "oauth2_introspection", "introspection, with AuthBearerIntrospection URL in "
                                        "<AuthBearerIssuer>" },
    { PROVIDER, "anonymous", "AuthBearerOptional On, in addition to the providers" },
    { PROVIDER, "oauth2_client_credentials", "not a provider: clients get a token from the issuer "
                                             "and send it" },
    { PROVIDER, "noop", "not a provider: a location without AuthType Bearer is open" },
    { PROVIDER, "unauthorized", "not a provider: Require all denied refuses all requests" }
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
