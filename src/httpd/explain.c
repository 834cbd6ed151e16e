/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file explain.c
 * The server side of `htbearer explain -f httpd.conf PATH`, which runs `httpd -t -D
 * BEARER_EXPLAIN`. httpd reads the configuration with its includes, macros and virtual
 * hosts. Then a synthetic request passes through httpd's section walk, this module's
 * authentication and httpd's authorization. The question, one JSON object, comes from
 * standard input. The answer goes to standard output after a line with
 * BEARER_EXPLAIN_MARK.
 *
 * None of this code runs in a server that serves requests.
 */
#include "authn.h"
#include "authz.h"
#include "export.h"
#include "hooks.h"
#include "process.h"
#include "proof.h"
#include "request.h"
#include "start.h"

#include <stdio.h>
#include <unistd.h>

#include <apr_strings.h>
#include <curl/curl.h>
#include <http_config.h>
#include <http_core.h>
#include <http_log.h>
#include <http_protocol.h>
#include <http_request.h>
#include <http_ssl.h>

#include "base/json.h"
#include "base/text.h"
#include "jose/jws.h"
#include "judge/certificate.h"
#include "report/explain.h"

/** Maximum size in bytes of a question: the token, a certificate, a path and a host, in
 *  JSON. */
#define QUESTION_MAX (2 * BEARER_TOKEN_MAX + 2 * BEARER_CERTIFICATE_MAX + 64 * 1024)

#define RESULT_LINE "authorization result of "

/** One `Require` line, as mod_authz_core evaluated it. */
typedef struct asked_t {
    const char *line;
    const char *result;        /**< NULL: not evaluated with the user known */
} asked_t;

typedef struct inquiry_t {
    apr_pool_t *p;
    server_rec *main;
    const json_t *question;
    json_t *answer;
    bearer_explain_t *explain;
    apr_array_header_t *asked; /**< asked_t, in httpd's order of evaluation */
    int authenticated;
    const char *refusal;       /**< this module's log line */
} inquiry_t;

static inquiry_t *current;     /* this process has only one */

/* ---- reading the log ----------------------------------------------------- */

static asked_t *asked_of(const char *line)
{
    asked_t *asked;
    int i;

    for (i = 0; i < current->asked->nelts; i++) {
        asked = &APR_ARRAY_IDX(current->asked, i, asked_t);
        if (!strcmp(asked->line, line)) {
            return asked;
        }
    }
    asked = apr_array_push(current->asked);
    asked->line = line;
    asked->result = NULL;
    return asked;
}

/* `... authorization result of Require scope a : granted`, logged by
 * mod_authz_core for each line that it evaluates. */
static void note_result(const char *message)
{
    const char *line = ap_strstr_c(message, RESULT_LINE);
    const char *end = line ? strrchr(line, ':') : NULL;
    apr_pool_t *p = current->p;
    asked_t *asked;

    if (!end) {
        return;
    }
    line += strlen(RESULT_LINE);
    while (end > line && end[-1] == ' ') {
        end--;
    }
    asked = asked_of(apr_pstrmemdup(p, line, (apr_size_t)(end - line)));
    end = strrchr(message, ':') + 1;
    while (*end == ' ') {
        end++;
    }
    if (current->authenticated) {
        asked->result = apr_pstrmemdup(p, end, strcspn(end, "\r\n"));
    }
}

static void note_log(const ap_errorlog_info *info, const char *message)
{
    const char *ours;

    if (!current || !info->r || !message) {
        return;
    }
    ours = ap_strstr_c(message, "refused, ");
    if (ours && info->module_index == auth_bearer_module.module_index) {
        current->refusal = apr_pstrmemdup(current->p, ours,
                                          strcspn(ours, "\r\n"));
    }
    note_result(message);
}

/* ---- the synthetic request ------------------------------------------------ */

static conn_rec *connection(inquiry_t *q, server_rec *s)
{
    conn_rec *c = apr_pcalloc(q->p, sizeof(*c));
    const char *address = bearer_json_string(q->question, "address");

    c->pool = q->p;
    c->base_server = s;
    c->conn_config = ap_create_conn_config(q->p);
    c->notes = apr_table_make(q->p, 5);
    c->bucket_alloc = apr_bucket_alloc_create(q->p);
    c->log_id = "explain";
    if (apr_sockaddr_info_get(&c->client_addr, address ? address : "127.0.0.1",
                              APR_UNSPEC, 0, 0, q->p) != APR_SUCCESS) {
        apr_sockaddr_info_get(&c->client_addr, "127.0.0.1", APR_INET, 0, 0, q->p);
    }
    apr_sockaddr_ip_get(&c->client_ip, c->client_addr);
    c->local_addr = s->addrs && s->addrs->host_addr ? s->addrs->host_addr
                                                    : c->client_addr;
    apr_sockaddr_ip_get(&c->local_ip, c->local_addr);
    c->local_host = s->server_hostname;
    return c;
}

static request_rec *request(inquiry_t *q, server_rec *s)
{
    const char *method = bearer_json_string(q->question, "method");
    const char *host = bearer_json_string(q->question, "host");
    struct ap_logconf *log = apr_pcalloc(q->p, sizeof(*log));
    request_rec *r = ap_create_request(connection(q, s));

    log->level = APLOG_DEBUG;
    r->log = log;
    r->log_id = "explain";
    r->method = method ? method : "GET";
    r->method_number = ap_method_number_of(r->method);
    r->protocol = apr_pstrdup(r->pool, "HTTP/1.1");
    r->proto_num = HTTP_VERSION(1, 1);
    r->request_time = apr_time_now();
    r->hostname = host ? host : s->server_hostname;
    apr_table_set(r->headers_in, "Host", r->hostname ? r->hostname : "localhost");
    return r;
}

/* Stands for mod_ssl, whose connection this is not. */
static const char *ssl_variable(apr_pool_t *p, server_rec *s, conn_rec *c, request_rec *r,
                                const char *name)
{
    (void)p;
    (void)s;
    (void)c;
    (void)r;
    return current && !strcmp(name, "SSL_CLIENT_CERT")
        ? bearer_json_string(current->question, "certificate") : NULL;
}

/* PEM with blanks for line breaks: see bearer_certificate_of_field(). */
static const char *on_one_line(const char *pem, apr_pool_t *p)
{
    char *line = apr_pstrdup(p, pem), *c;

    for (c = line; *c; c++) {
        *c = *c == '\n' || *c == '\r' ? ' ' : *c;
    }
    return line;
}

/* Adds the token, and what the client proves. If the client is a proxy that sends client
 * certificates, the certificate is that of its client. */
static void present(inquiry_t *q, request_rec *r)
{
    const char *proof = bearer_json_string(q->question, "proof");
    const char *certificate = bearer_json_string(q->question, "certificate");
    const char *header = ab_config_of(r)->proof.certificate;

    apr_table_set(r->headers_in, "Authorization",
                  apr_pstrcat(q->p, proof ? "DPoP " : "Bearer ",
                              bearer_json_string(q->question, "token"), NULL));
    if (proof) {
        apr_table_set(r->headers_in, "DPoP", proof);
    }
    if (certificate && header) {
        apr_table_set(r->headers_in, header, on_one_line(certificate, q->p));
    }
}

/* Sets the path as if a client had sent it: parsed, normalized, unescaped. */
static int set_path(request_rec *r, const char *path)
{
    r->unparsed_uri = apr_pstrdup(r->pool, path);
    r->the_request = apr_psprintf(r->pool, "%s %s %s", r->method, path,
                                  r->protocol);
    ap_parse_uri(r, path);
    if (r->status != HTTP_OK || !r->parsed_uri.path) {
        return HTTP_BAD_REQUEST;
    }
    if (!ap_normalize_path(r->parsed_uri.path,
                           AP_NORMALIZE_NOT_ABOVE_ROOT
                           | AP_NORMALIZE_DECODE_UNRESERVED)) {
        return HTTP_BAD_REQUEST;
    }
    r->uri = r->parsed_uri.path;
    return ap_unescape_url(r->uri);
}

/* Does what ap_process_request_internal() does before authentication. */
static int walk(inquiry_t *q, request_rec *r)
{
    int rc = ap_location_walk(r);

    if (rc == OK && json_is_true(json_object_get(q->question, "translate"))) {
        rc = ap_run_translate_name(r);
        rc = rc == DECLINED ? OK : rc;
        r->per_dir_config = r->server->lookup_defaults;
        if (rc == OK && r->filename) {
            rc = ap_run_map_to_storage(r);
            rc = rc == DECLINED ? OK : rc;
        }
    }
    if (rc == OK) {
        rc = ap_location_walk(r);
    }
    return rc == OK ? ap_if_walk(r) : rc;
}

/* ---- which server --------------------------------------------------------- */

static int listed(const apr_array_header_t *names, const char *host)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        const char *name = APR_ARRAY_IDX(names, i, const char *);

        if (name && !ap_strcasecmp_match(host, name)) {
            return 1;
        }
    }
    return 0;
}

static int is_called(const server_rec *s, const char *host)
{
    return (s->server_hostname && !ap_cstr_casecmp(s->server_hostname, host))
        || listed(s->names, host) || listed(s->wild_names, host);
}

/* Returns a server's name, or its place in the configuration if it has none. */
static const char *shown(const server_rec *s, apr_pool_t *p)
{
    const char *name = s->server_hostname ? s->server_hostname : "(no ServerName)";

    return s->is_virtual && s->defn_name
        ? apr_psprintf(p, "%s (%s:%u)", name, s->defn_name, s->defn_line_number)
        : apr_psprintf(p, "%s (main server)", name);
}

/* Is AuthType Bearer in force for the path in this server? */
static int is_bearer(inquiry_t *q, server_rec *s, const char *path)
{
    request_rec *r = request(q, s);

    return set_path(r, path) == OK && walk(q, r) == OK
        && ab_config_in_force(r);
}

static server_rec *by_name(inquiry_t *q, const char *host, const char *path)
{
    server_rec *s, *best = NULL;

    for (s = q->main; s; s = s->next) {
        if (is_called(s, host)
            && (!best || (!is_bearer(q, best, path) && is_bearer(q, s, path)))) {
            best = s;
        }
    }
    return best;
}

/* Returns the only virtual host in which the path uses AuthType Bearer, else the main
 * server. */
static server_rec *by_path(inquiry_t *q, const char *path, const char **error)
{
    const char *names = NULL;
    server_rec *s, *found = NULL;

    for (s = q->main->next; s; s = s->next) {
        if (is_bearer(q, s, path)) {
            *error = found ? "" : NULL;
            names = apr_pstrcat(q->p, found ? names : "", found ? ", " : "",
                                shown(s, q->p), NULL);
            found = s;
        }
    }
    if (*error) {
        *error = apr_psprintf(q->p, "several servers protect this path: %s; choose one with --host "
                              "NAME", names);
        return NULL;
    }
    return found ? found : q->main;
}

static server_rec *choose(inquiry_t *q, const char *path, const char **error)
{
    const char *host = bearer_json_string(q->question, "host");
    server_rec *s;

    if (!host) {
        return by_path(q, path, error);
    }
    s = by_name(q, host, path);
    if (!s) {
        *error = apr_psprintf(q->p, "no server has the name %s (ServerName, ServerAlias)",
                              bearer_text_quote(q->p, host));
    }
    return s;
}

/* ---- the answer ------------------------------------------------------------ */

static void put(inquiry_t *q, const char *name, json_t *value)
{
    json_object_set_new(q->answer, name, value);
}

/* Returns the entries of `after` that are not in `before`. */
static json_t *added(const apr_table_t *before, const apr_table_t *after,
                     apr_pool_t *p)
{
    const apr_array_header_t *rows = apr_table_elts(after);
    apr_table_t *more = apr_table_make(p, 16);
    int i;

    for (i = 0; i < rows->nelts; i++) {
        const apr_table_entry_t *row = &APR_ARRAY_IDX(rows, i, apr_table_entry_t);

        if (row->key && !apr_table_get(before, row->key)) {
            apr_table_set(more, row->key, row->val);
        }
    }
    return bearer_explain_table(more, p);
}

static json_t *require_lines(const inquiry_t *q)
{
    json_t *list = json_array();
    int i;

    for (i = 0; i < q->asked->nelts; i++) {
        const asked_t *asked = &APR_ARRAY_IDX(q->asked, i, asked_t);

        json_array_append_new(list, json_pack(
            "{s:o, s:s}", "line", bearer_explain_string(asked->line, q->p),
            "result", asked->result ? asked->result
            : q->authenticated ? "not asked, the result was already certain"
                               : "not reached"));
    }
    return list;
}

/* mod_authz_core first evaluates without a user, which shows the Require lines. */
static int without_user(request_rec *r)
{
    int rc = ap_run_access_checker_ex(r);

    return rc == OK && ap_run_force_authn(r) != OK;
}

static int authorize(inquiry_t *q, request_rec *r)
{
    int rc;

    q->authenticated = 1;
    rc = ab_authz_checker(r);
    return rc == DECLINED ? ap_run_auth_checker(r) : rc;
}

static void exports(inquiry_t *q, request_rec *r)
{
    apr_table_t *env = apr_table_copy(q->p, r->subprocess_env);
    apr_table_t *headers = apr_table_copy(q->p, r->headers_in);

    ab_export_fixups(r);
    put(q, "environment", added(env, r->subprocess_env, q->p));
    put(q, "headers", added(headers, r->headers_in, q->p));
}

static void judge(inquiry_t *q, request_rec *r)
{
    const request_t *own;
    int rc = ab_authn_check_user_id(r);

    own = ab_request_peek(r);
    put(q, "checks", bearer_explain_checks(q->explain));
    if (rc == OK && own && own->principal) {
        put(q, "principal", bearer_explain_principal(own->principal, q->p));
        put(q, "settings", bearer_explain_settings(own->settings, q->p));
        rc = authorize(q, r);
        own = ab_request_peek(r);
    }
    put(q, "requires", require_lines(q));
    if (rc == OK) {
        exports(q, r);
    }
    put(q, "granted", json_boolean(rc == OK));
    put(q, "status", json_integer(rc == OK ? HTTP_OK : rc));
    if (rc != OK) {
        put(q, "refusal", bearer_explain_string(
            q->refusal ? q->refusal : "refused by httpd", q->p));
        put(q, "challenge", bearer_explain_string(
            apr_table_get(r->err_headers_out, "WWW-Authenticate"), q->p));
    }
}

static void fail(inquiry_t *q, const char *error)
{
    put(q, "error", bearer_explain_string(error, q->p));
}

static void examine(inquiry_t *q, server_rec *s, const char *path)
{
    request_rec *r = request(q, s);
    int rc = set_path(r, path);

    put(q, "server", bearer_explain_string(shown(s, q->p), q->p));
    if (rc == OK) {
        rc = walk(q, r);
    }
    put(q, "file", bearer_explain_string(r->filename, q->p));
    if (rc != OK) {
        fail(q, apr_psprintf(q->p, "httpd answers %d here, before a token is needed", rc));
        return;
    }
    if (!ab_config_in_force(r)) {
        fail(q, "AuthType Bearer does not apply to this path, so no token is needed; write it in a "
             "<Location> or <Directory> that covers the path (in .htaccess, only with "
             "AllowOverride AuthConfig)");
        return;
    }
    present(q, r);
    ab_export_header_parser(r);
    put(q, "open", json_boolean(without_user(r)));
    judge(q, r);
}

/* ---- httpd -t -D BEARER_EXPLAIN --------------------------------------------- */

static const json_t *read_question(apr_pool_t *p)
{
    char *text = apr_palloc(p, QUESTION_MAX + 1);
    apr_size_t len = 0;
    ssize_t n;
    json_t *question;

    while (len < QUESTION_MAX
           && (n = read(STDIN_FILENO, text + len, QUESTION_MAX - len)) > 0) {
        len += (apr_size_t)n;
    }
    return bearer_json_parse(&question, text, len, NULL, p) == APR_SUCCESS
        && bearer_json_string(question, "token")
        && bearer_json_string(question, "path") ? question : NULL;
}

static void say(void *nothing, const char *line)
{
    (void)nothing;
    fprintf(stderr, "%s%s\n", BEARER_EXPLAIN_MARK, line);
    fflush(stderr);
}

/* In its post_config, the core looks up the hooks for AuthType and AuthName. The
 * post_config hooks of other modules are not run, because they open what a running
 * server needs. */
static void start_core(inquiry_t *q)
{
    const apr_array_header_t *hooks = ap_hook_get_post_config();
    int i;

    for (i = 0; hooks && i < hooks->nelts; i++) {
        const ap_LINK_post_config_t *hook = &APR_ARRAY_IDX(hooks, i,
                                                           ap_LINK_post_config_t);

        if (!strcmp(hook->szName, "core.c")) {
            hook->pFunc(q->p, q->p, q->p, q->main);
        }
    }
}

/* Creates the state of a child, without shared memory. Requests to issuers are
 * announced. Returns NULL, or why that is impossible. */
static const char *start(inquiry_t *q)
{
    process_t *process;

    start_core(q);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        return "libcurl cannot be used";
    }
    ab_start_child_init(q->p, q->main);
    process = ab_process();
    if (!process) {
        return "this configuration has no issuer; write AuthBearerIssuer URL";
    }
    if (ab_proof_post_config(q->p, q->main) != OK) {
        return "this user cannot read a file of AuthBearerSecretFile";
    }
    process->world.http = bearer_explain_http(
        json_is_true(json_object_get(q->question, "offline")) ? NULL
                                                              : process->world.http,
        say, NULL, q->p);
    bearer_explain_revocations(q->explain, process->revocations, say, NULL);
    process->observe = bearer_explain_observe;
    process->observe_baton = q->explain;
    return NULL;
}

static void inquire(inquiry_t *q)
{
    const char *path = bearer_json_string(q->question, "path");
    const char *error = start(q);
    server_rec *s = error ? NULL : choose(q, path, &error);

    if (s) {
        examine(q, s, path);
    } else {
        fail(q, error);
    }
}

static void test_config(apr_pool_t *p, server_rec *s)
{
    inquiry_t q = { 0 };
    char *text;

    q.p = p;
    q.main = s;
    q.question = read_question(p);
    if (!q.question) {
        return;
    }
    q.answer = json_object();
    q.explain = bearer_explain_create(p);
    q.asked = apr_array_make(p, 8, sizeof(asked_t));
    current = &q;
    inquire(&q);
    current = NULL;
    text = json_dumps(q.answer, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(q.answer);
    printf("\n%s%s\n", BEARER_EXPLAIN_MARK, text ? text : "{}");
    fflush(stdout);
    free(text);
}

void ab_explain_register(void)
{
    if (ap_exists_config_define("BEARER_EXPLAIN")) {
        ap_hook_test_config(test_config, NULL, NULL, APR_HOOK_LAST);
        ap_hook_error_log(note_log, NULL, NULL, APR_HOOK_MIDDLE);
        ap_hook_ssl_var_lookup(ssl_variable, NULL, NULL, APR_HOOK_FIRST);
    }
}
