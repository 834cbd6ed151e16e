/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file config_proof.c
 * The directive AuthBearerProof: proof of possession (RFC 9449, RFC 8705).
 */
#include "config_parse.h"

#include <apr_lib.h>
#include <apr_network_io.h>

#include "judge/exports.h"

APLOG_USE_MODULE(auth_bearer);

/* These have another meaning, so a certificate cannot be in them. */
static int is_taken(const char *header)
{
    static const char *const taken[] = {
        "Authorization", "Connection", "Content-Length", "Cookie", "DPoP", "Host",
        "Proxy-Authorization", "Transfer-Encoding", "Upgrade", NULL
    };
    int i;

    for (i = 0; taken[i] && !bearer_exports_same_name(header, taken[i]); i++) {
    }
    return taken[i] != NULL;
}

static const char *parse_certificate(const parse_t *in, const char *header,
                                     bearer_proof_rule_t *rule)
{
    rule->certificate = header;
    return bearer_text_is_token(header) && strlen(header) <= 64 && !is_taken(header) ? NULL
        : ab_parse_complain(in, AB(0620) "certificate=%s: expected the name of the header in "
                            "which the proxy sends the client certificate, e.g. X-SSL-Cert",
                            bearer_text_quote(in->p, header));
}

/* APR reads 10 as 10.0.0.0/8: a comma for a dot would trust a whole network. */
static int is_part(const char *address)
{
    int dots = 0;

    for (; *address && *address != ':'; address++) {
        dots += address[0] == '.' && address[1];
    }
    return !*address && dots != 3;
}

/* ADDR or ADDR/BITS */
static const char *parse_net(const parse_t *in, const char *text, apr_ipsubnet_t **net)
{
    const char *slash = strchr(text, '/');
    const char *address = slash ? apr_pstrmemdup(in->p, text, (apr_size_t)(slash - text))
                                : text;

    return (!slash || (slash[1] && !slash[1 + strspn(slash + 1, "0123456789")]))
        && !is_part(address)
        && apr_ipsubnet_create(net, address, slash ? slash + 1 : NULL, in->p)
               == APR_SUCCESS ? NULL
        : ab_parse_complain(in, AB(0621) "from=: %s is not an IP address or network; expected "
                            "e.g. from=192.0.2.10,2001:db8::/32",
                            bearer_text_quote(in->p, text));
}

static const char *parse_from(const parse_t *in, const char *text, bearer_proof_rule_t *rule)
{
    const apr_array_header_t *words = bearer_text_split(in->p, text, ",");
    apr_array_header_t *nets = apr_array_make(in->p, 4, sizeof(apr_ipsubnet_t *));
    const char *error = words->nelts ? NULL : parse_net(in, "", apr_array_push(nets));
    int i;

    for (i = 0; !error && i < words->nelts; i++) {
        error = parse_net(in, APR_ARRAY_IDX(words, i, const char *), apr_array_push(nets));
    }
    rule->from = nets;
    rule->from_text = words;
    return error;
}

static const char *parse_window(const parse_t *in, const char *text, bearer_proof_rule_t *rule)
{
    const char *error = ab_parse_duration(in, text, &rule->window);

    return error || (rule->window >= BEARER_PROOF_WINDOW_MIN
                     && rule->window <= BEARER_PROOF_WINDOW_MAX) ? error
        : ab_parse_complain(in, AB(0622) "window=%s: expected 1s to 10min",
                            bearer_text_quote(in->p, text));
}

/* One of the words of the mode; *seen: whether there were others. */
static const char *parse_mode(const parse_t *in, const char *word, bearer_proof_rule_t *rule,
                              int *seen)
{
    static const int modes[] = {
#define X(symbol, word, bits) symbol,
        BEARER_PROOF_MODES(X)
#undef X
    };
    int index = 0, combines;
    const char *error = ab_parse_one_of(in, in->row->words, word, &index);

    if (error) {
        return error;
    }
    combines = modes[index] & (BEARER_PROOF_DPOP | BEARER_PROOF_MTLS);
    error = !*seen || (combines && (rule->mode & (BEARER_PROOF_DPOP | BEARER_PROOF_MTLS))
                       && !(rule->mode & modes[index])) ? NULL
        : ab_parse_complain(in, AB(0623) "%s cannot be added to the word before it; only dpop and "
                            "mtls can be combined", bearer_text_quote(in->p, word));
    rule->mode = *seen ? rule->mode | modes[index] : modes[index];
    *seen = 1;
    return error;
}

const char *ab_parse_proof(const parse_t *in, void *record)
{
    bearer_proof_rule_t *rule = record;
    const char *error = NULL, *value;
    int i, seen = 0, options = 0, off = 0;

    for (i = 0; !error && i < in->words->nelts; i++) {
        const char *word = WORD(in, i);

        options += strchr(word, '=') != NULL;
        if (ab_parse_keyed(word, "window", &value)) {
            error = parse_window(in, value, rule);
        } else if (ab_parse_keyed(word, "nonce", &value)) {
            error = ab_parse_one_of(in, "on off", value, &off);
            rule->nonce = !off;
        } else if (ab_parse_keyed(word, "certificate", &value)) {
            error = parse_certificate(in, value, rule);
        } else if (ab_parse_keyed(word, "from", &value)) {
            error = parse_from(in, value, rule);
        } else {
            error = parse_mode(in, word, rule, &seen);
        }
    }
    if (!error && !rule->certificate != !rule->from) {
        error = ab_parse_complain(in, AB(0624) "certificate=HEADER and from=ADDR[/BITS],... need "
                                  "each other: without from=, every client could send the header");
    }
    return error || rule->mode != BEARER_PROOF_IGNORE || !options ? error
        : ab_parse_complain(in, AB(0625) "ignore does not check proofs; remove the options");
}
