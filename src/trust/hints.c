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
    { CHECK, "check_session_url", "write the URL as the first argument" },
    { CHECK, "introspection_url", "use the provider introspection, with "
                                  "AuthBearerIntrospection URL in <AuthBearerIssuer>" },
    { CHECK, "token_from", "use AuthBearerTokenFrom" },
    { CHECK, "subject_from", "write subject=" },
    { CHECK, "extra_from", "write extra=" },
    { CHECK, "only", "write cookies=" },
    { CHECK, "force_method", "write method=" },
    { CHECK, "preserve_path", "write path=url (true, the default) or path=request (false)" },
    { CHECK, "preserve_query", "write query=url (true, the default) or query=request (false)" },
    { CHECK, "preserve_host", "write host=request (true)" },
    { CHECK, "forward_http_headers", "write headers=; for the credential, send= or cookies=" },
    { CHECK, "additional_headers", "write add=NAME:VALUE" },
#define PROVIDER "AuthBearerProvider"
    { PROVIDER, "bearer_token", "write session, with AuthBearerSessionCheck URL" },
    { PROVIDER, "cookie_session", "write session, with AuthBearerSessionCheck URL "
      "cookies=NAME" },
    { PROVIDER, "oauth2_introspection", "write introspection, with AuthBearerIntrospection URL in "
                                        "<AuthBearerIssuer>" },
    { PROVIDER, "anonymous", "add AuthBearerOptional On" },
    { PROVIDER, "oauth2_client_credentials", "let clients get a token from the issuer" },
    { PROVIDER, "noop", "use Require all granted" },
    { PROVIDER, "unauthorized", "use Require all denied" }
};

const char *bearer_hint(const char *directive, const char *word, apr_size_t len,
                        apr_pool_t *p)
{
    unsigned i;

    for (i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        if (strcasecmp(hints[i].directive, directive) == 0
            && strlen(hints[i].word) == len
            && strncasecmp(hints[i].word, word, len) == 0) {
            return apr_psprintf(p, "instead of %.*s, %s", (int)len, word,
                                hints[i].hint);
        }
    }
    return NULL;
}
