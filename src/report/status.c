/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The status as a page, and as lines for mod_status. See status.h.
 */
#include "report/status_inside.h"

#include "state/meter.h"

static const escape_t html_escapes[] = {
    {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"},
    {'\'', "&#39;"}, {0, NULL}
};

#define CELL "<td class=\"n\">"
/* On a phone, the head of the column stands in the cell. */
#define CELL_OF(head) "<td class=\"n\" data-head=\"" head "\">"
#define HEAD "<th class=\"n\">"
#define TEXT(...) apr_psprintf(page->p, __VA_ARGS__)

static const char *html(const page_t *page, const char *s)
{
    return escape(s, html_escapes, page->p);
}

/* ---- times ---------------------------------------------------------------- */

/* "3 min", "2 h 5 min", "4 d 3 h" */
static const char *span(const page_t *page, apr_int64_t seconds)
{
    if (seconds < 0) {
        seconds = 0;
    }
    if (seconds < 120) {
        return TEXT(N " s", seconds);
    }
    if (seconds < 7200) {
        return TEXT(N " min", seconds / 60);
    }
    if (seconds < 172800) {
        return TEXT(N " h " N " min", seconds / 3600, seconds % 3600 / 60);
    }
    return TEXT(N " d " N " h", seconds / 86400, seconds % 86400 / 3600);
}

static const char *ago(const page_t *page, apr_int64_t when)
{
    return when ? TEXT("%s ago", span(page, page->now - when)) : "never";
}

static const char *until(const page_t *page, apr_int64_t when)
{
    return !when ? "never"
         : when <= page->now ? "now"
         : TEXT("in %s", span(page, when - page->now));
}

static const char *bytes(const page_t *page, apr_int64_t n)
{
    return n < 10240 ? TEXT(N " bytes", n)
         : n < 10485760 ? TEXT(N " KiB", n / 1024)
         : TEXT(N " MiB", n / 1048576);
}

static const char *rate(const page_t *page, apr_int64_t hits, apr_int64_t misses)
{
    return hits + misses ? TEXT("%.1f %%",
                                100.0 * (double)hits / (double)(hits + misses)) : "&ndash;";
}

/* ---- HTML ------------------------------------------------------------------ */

static const char style[] =
    ":root{color-scheme:light dark;--ink:#1a1d21;--soft:#5b6470;--paper:#fff;"
    "--card:#f4f6f8;--line:#d9dee4;--good:#18794e;--bad:#c62a2f;--warn:#946800}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--soft:#a2abb6;"
    "--paper:#16181c;--card:#1f2328;--line:#343a42;--good:#4cc38a;--bad:#ff8a8d;"
    "--warn:#f0c000}}"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:15px/1.45 system-ui,sans-serif}"
    "main{max-width:70rem;margin:0 auto;padding:1.2rem}"
    "h1{font-size:1.35rem;margin:.2rem 0}h2{font-size:1.05rem;margin:1.6rem 0 .5rem}"
    ".soft{color:var(--soft)}.good{color:var(--good)}.bad{color:var(--bad)}"
    ".warn{color:var(--warn)}"
    ".verdict{font-weight:600;font-size:1.1rem;margin:.6rem 0}"
    ".cards{display:grid;gap:.7rem;grid-template-columns:"
    "repeat(auto-fill,minmax(10.5rem,1fr));margin:1rem 0}"
    ".card{background:var(--card);border:1px solid var(--line);border-radius:.5rem;"
    "padding:.6rem .8rem}.card b{display:block;font-size:1.35rem}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid var(--line);"
    "vertical-align:top}th{font-weight:600;color:var(--soft)}"
    "tr:has(+.error) td{border-bottom:0}.whole{white-space:nowrap}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "code{font-size:.88em;overflow-wrap:anywhere}"
    /* a phone: each cell of the issuers is a line of its own */
    "@media(max-width:40rem){main{padding:.8rem}th,td{padding:.3rem .35rem}"
    "#issuers tr:first-child{display:none}#issuers td{display:block;border:0;text-align:left}"
    "#issuers tr{display:block;border-bottom:1px solid var(--line)}"
    "#issuers tr:has(+.error){border-bottom:0}"
    "#issuers br.wider{display:none}"
    "#issuers td[data-head]::before{content:attr(data-head) \": \";color:var(--soft)}}";

/* Sums one figure over the rows of a list. */
static apr_int64_t sum(const json_t *status, const char *list, const char *name)
{
    const json_t *row;
    apr_int64_t n = 0;
    size_t i;

    json_array_foreach(member(status, list), i, row) {
        n += number(row, name);
    }
    return n;
}

/** The conditions of an issuer's keys, the worst last, and the summary text for
 *  each. X(symbol, style, word, verdict) */
#define CONDITIONS(X) \
    X(NOT_ASKED, "soft", "not fetched yet", "") \
    X(FRESH, "good", "&#10003; fresh", "&#10003; All tokens can be verified") \
    X(STALE, "warn", "! cached", "! An issuer is unavailable; its cached keys are in use") \
    X(NO_KEYS, "bad", "&#10007; no keys", \
      "&#10007; Some tokens cannot be verified; see below")

#define X(symbol, style, word, verdict) symbol,
typedef enum { CONDITIONS(X) CONDITION_COUNT } condition_t;
#undef X

static const struct {
    const char *style, *word, *verdict;
} conditions[CONDITION_COUNT] = {
#define X(symbol, style, word, verdict) { style, word, verdict },
    CONDITIONS(X)
#undef X
};

/* Returns 1 if no process ever got its keys although some tried. The counters
 * cover all children; the rest is what one child sees. */
static int in_vain(const json_t *issuer)
{
    const json_t *fetches = member(issuer, "fetches");

    return number(fetches, "failed") && !number(fetches, "ok");
}

/* The condition that needs attention first. Keys per tenant, and keys that were
 * never needed, are not a problem. */
static condition_t condition_of(const page_t *page, const json_t *issuer)
{
    const json_t *keys = member(issuer, "keys");
    apr_int64_t gone = number(keys, "gone");

    if (gone && gone <= page->now) {
        return NO_KEYS;
    }
    if (!number(keys, "count")) {
        return *string(keys, "last_error") || number(keys, "fetched")
               || in_vain(issuer) ? NO_KEYS : NOT_ASKED;
    }
    return *string(keys, "last_error") ? STALE : FRESH;
}

static void add_verdict(page_t *page)
{
    const json_t *issuer;
    condition_t worst = FRESH, one;
    size_t i;

    json_array_foreach(member(page->status, "issuers"), i, issuer) {
        one = condition_of(page, issuer);
        worst = one > worst ? one : worst;
    }
    if (is_true(member(page->status, "revocations"), "closed")) {
        worst = NO_KEYS;
    }
    add(page, "<p class=\"verdict %s\" id=\"verdict\">%s</p>\n",
        conditions[worst].style, conditions[worst].verdict);
}

static void add_card(page_t *page, const char *title, const char *value,
                     const char *small)
{
    add(page, "<div class=\"card\">%s<b>%s</b><span class=\"soft\">%s</span>"
        "</div>\n", title, value, small);
}

static const char *plain(const page_t *page, apr_int64_t n)
{
    return TEXT(N, n);
}

/* Browser sessions, if they are in the module's own memory. */
static void add_sessions(page_t *page)
{
    const json_t *sessions = member(page->status, "sessions");

    if (sessions) {
        add_card(page, "Sessions", plain(page, number(sessions, "count")),
                 TEXT("%s of %s used; ended because full: " N ", logins refused: " N
                      ", ended by a newer one of the same user: " N,
                      bytes(page, number(sessions, "used")),
                      bytes(page, number(sessions, "bytes")),
                      number(sessions, "evicted"), number(sessions, "refused"),
                      number(sessions, "surplus")));
    }
}

/* Used proofs of possession, if they are in the module's own memory. */
static void add_proofs(page_t *page)
{
    const json_t *proofs = member(page->status, "proofs");

    if (proofs) {
        add_card(page, "Used proofs", plain(page, number(proofs, "count")),
                 TEXT("%s of %s used; refused because full: " N
                      ", because of the share of their token: " N,
                      bytes(page, number(proofs, "used")), bytes(page, number(proofs, "bytes")),
                      number(proofs, "refused"), number(proofs, "share")));
    }
}

static void add_waiting(page_t *page)
{
    const json_t *waiting = member(page->status, "waiting");
    apr_int64_t away = number(waiting, "services") + number(waiting, "cache")
                       + sum(page->status, "counters", "turned_away");

    if (waiting) {
        add_card(page, "Waiting workers", plain(page, number(waiting, "now")),
                 TEXT("of " N " that may wait for other servers; requests above this: " N,
                      number(waiting, "limit"), away));
    }
}

static void add_cards(page_t *page)
{
    const json_t *tokens = member(page->status, "tokens");
    const json_t *throttle = member(page->status, "throttle");
    const json_t *revocations = member(page->status, "revocations");

    add(page, "<div class=\"cards\">\n");
    add_card(page, "Granted", plain(page, sum(page->status, "counters", "granted")),
             "since the start");
    add_card(page, "Refused, last minute", plain(page, sum(page->status, "refusals", "minute")),
             TEXT(N " in the last hour, " N " since the start",
                  sum(page->status, "refusals", "hour"), sum(page->status, "refusals", "total")));
    add_card(page, "Token cache", rate(page, number(tokens, "hits"),
                                       number(tokens, "misses")),
             TEXT("hits; " N " of " N " entries, %s, " N " evicted; children: " N,
                  number(tokens, "used"), number(tokens, "entries"),
                  bytes(page, number(tokens, "bytes")), number(tokens, "evictions"),
                  number(tokens, "children")));
    add_card(page, "Throttled addresses", plain(page, number(throttle,
                                                             "penalised")),
             TEXT("penalties started: " N, number(throttle, "started")));
    add_card(page, "Revoked",
             !is_true(revocations, "configured") ? "&ndash;"
             : is_true(revocations, "closed") ? "closed"
             : plain(page, number(revocations, "entries")),
             !is_true(revocations, "configured") ? "no list"
             : is_true(revocations, "closed")
             ? "the list cannot be read: every token gets 503"
             : "entries of the list");
    add_sessions(page);
    add_proofs(page);
    add_waiting(page);
    add(page, "</div>\n");
}

/* More keys than these are shown after a click, so that the table stays short. */
#define KEYS_SHOWN 3

static void add_keys(page_t *page, const json_t *list)
{
    const json_t *key;
    size_t i, n = json_array_size(list);

    if (n > KEYS_SHOWN) {
        add(page, "<details><summary>" N " keys</summary>", (apr_int64_t)n);
    }
    json_array_foreach(list, i, key) {
        add(page, "<code>%s</code> <span class=\"soft\">%s %s " N " bits, %s</span><br>",
            *string(key, "kid") ? html(page, string(key, "kid")) : "(no kid)",
            html(page, string(key, "type")), html(page, string(key, "curve")),
            number(key, "bits"), html(page, string(key, "algorithms")));
    }
    if (n > KEYS_SHOWN) {
        add(page, "</details>");
    }
}

static const char *limit_of(const page_t *page, apr_int64_t gone)
{
    return gone > page->now ? TEXT("usable for another %s", span(page, gone - page->now))
         : gone ? "expired" : "usable until replaced";
}

static void add_ages(page_t *page, const json_t *keys)
{
    add(page, "<td class=\"whole\">");
    if (number(keys, "fetched")) {
        add(page, "keys fetched %s<br>next fetch %s<br>%s",
            ago(page, number(keys, "fetched")), until(page, number(keys, "due")),
            limit_of(page, number(keys, "gone")));
    } else if (number(keys, "due")) {
        add(page, "next fetch %s", until(page, number(keys, "due")));
    }
    if (number(keys, "metadata_fetched")) {
        add(page, "<br>metadata fetched %s",
            ago(page, number(keys, "metadata_fetched")));
    }
    add(page, "</td>");
}

static void add_error(page_t *page, const char *what, const char *style_,
                      const char *error)
{
    if (*error) {
        add(page, "<tr class=\"error\"><td colspan=\"6\" class=\"%s\">last error%s: "
            "%s</td></tr>"
            "\n", style_, what, html(page, error));
    }
}

/* A row for each source of the keys. */
static void add_sources(page_t *page, const json_t *sources, const char *style_)
{
    const json_t *source;
    size_t i;

    json_array_foreach(sources, i, source) {
        add(page, "<tr><td colspan=\"6\">keys from <code>%s</code>: " N ", %s</td></tr>\n",
            html(page, string(source, "source")), number(source, "count"),
            number(source, "fetched")
                ? TEXT("read %s", ago(page, number(source, "fetched"))) : "not read yet");
        add_error(page, "", style_, string(source, "last_error"));
    }
}

/* The cells with counts; empty if other issuers share them. */
static void add_counts(page_t *page, const json_t *row)
{
    const json_t *fetches = member(row, "fetches");

    if (fetches) {
        add(page, CELL_OF("fetches") N "<br class=\"wider\"> " N " failed</td>"
            CELL_OF("granted") N "</td></tr>\n",
            number(fetches, "ok"), number(fetches, "failed"),
            number(row, "granted"));
    } else {
        add(page, CELL "&ndash;</td>" CELL "&ndash;</td></tr>\n");
    }
}

static void add_issuer(page_t *page, const json_t *issuer)
{
    const json_t *keys = member(issuer, "keys");
    condition_t condition = condition_of(page, issuer);
    const char *style_ = conditions[condition].style;
    const char *error = string(keys, "last_error");
    const char *metadata = string(keys, "metadata_error");

    add(page, "<tr><td><b>%s</b><br><code class=\"soft\">%s</code>"
        "</td><td class=\"whole %s\">%s</td><td>", html(page, string(issuer, "name")),
        html(page, string(issuer, "url")), style_, conditions[condition].word);
    add_keys(page, member(keys, "list"));
    add(page, "</td>");
    add_ages(page, keys);
    add_counts(page, issuer);
    if (member(keys, "sources")) {
        add_sources(page, member(keys, "sources"), style_);
    } else {
        add_error(page, "", style_, error);
    }
    add_error(page, " (metadata)", "warn", strstr(error, metadata) ? ""
                                                                   : metadata);
}

static const char *label_of(const page_t *page, const json_t *row)
{
    return *string(row, "issuer") ? html(page, string(row, "issuer"))
                                  : "<span class=\"soft\">(none)</span>";
}

/* Counts under a label that several issuers share. */
static void add_shared_counts(page_t *page, const json_t *row)
{
    apr_int64_t n = number(row, "issuers");

    if (n == 1 && strcmp(string(row, "issuer"), BEARER_METER_OTHERS_LABEL) != 0) {
        return;
    }
    if (n || number(row, "granted") || *string(row, "issuer")) {
        add(page, "<tr><td>%s</td><td colspan=\"3\" class=\"soft\">%s</td>",
            label_of(page, row),
            n ? TEXT(N " issuers, counted together", n)
              : *string(row, "issuer") ? "no longer in the configuration"
                                       : "without an issuer");
        add_counts(page, row);
    }
}

static void add_issuers(page_t *page)
{
    const json_t *row;
    size_t i;

    add(page, "<h2>Issuers</h2>\n<div class=\"wide\"><table id=\"issuers\"><tr>"
        "<th>issuer<th>state<th>keys<th>age" HEAD "fetches" HEAD "granted</tr>\n");
    json_array_foreach(member(page->status, "issuers"), i, row) {
        add_issuer(page, row);
    }
    json_array_foreach(member(page->status, "counters"), i, row) {
        add_shared_counts(page, row);
    }
    add(page, "</table></div>\n");
}

static void add_refusals(page_t *page)
{
    const json_t *row;
    size_t i;

    add(page, "<h2>Refusals</h2>\n<div class=\"wide\"><table id=\"refusals\"><tr>"
        "<th>issuer<th>category<th>check" HEAD "last minute" HEAD "last hour"
        HEAD "since the start</tr>\n");
    json_array_foreach(member(page->status, "refusals"), i, row) {
        add(page, "<tr><td>%s<td>%s<td>%s" CELL N CELL N CELL N "</tr>\n",
            label_of(page, row), html(page, string(row, "category")),
            html(page, string(row, "reason")), number(row, "minute"),
            number(row, "hour"), number(row, "total"));
    }
    if (!json_array_size(member(page->status, "refusals"))) {
        add(page, "<tr><td colspan=\"6\" class=\"soft\">none yet</td></tr>\n");
    }
    add(page, "</table></div>\n");
}

static void add_introspection(page_t *page)
{
    const json_t *row;
    size_t i;
    int any = 0;

    json_array_foreach(member(page->status, "counters"), i, row) {
        const json_t *in = member(row, "introspection");
        apr_int64_t n = number(in, "ok") + number(in, "failed");

        if (!n && !number(in, "kept")) {
            continue;
        }
        if (!any++) {
            add(page, "<h2>Introspection</h2>\n<div class=\"wide\"><table><tr>"
                "<th>issuer" HEAD "requests" HEAD "failed" HEAD "mean time"
                HEAD "cached responses used" HEAD "hits</tr>\n");
        }
        add(page, "<tr><td>%s" CELL N CELL N CELL "%.1f ms" CELL N CELL "%s</tr>\n",
            label_of(page, row), n, number(in, "failed"),
            n ? (double)number(in, "sum") / (double)n / 1000.0 : 0.0,
            number(in, "kept"), rate(page, number(in, "kept"), n));
    }
    if (any) {
        add(page, "</table></div>\n");
    }
}

/* A row for each group in which something was counted. */
static void add_counts_table(page_t *page)
{
    json_t *counts, *n;
    const char *value;
    int group, any = 0;

    for (group = 0; group < BEARER_GROUPS; group++) {
        const char *text = "";

        counts = json_object_get(member(page->status, "counts"), count_groups[group].name);
        json_object_foreach(counts, value, n) {
            if (json_integer_value(n)) {
                text = TEXT("%s%s%s " N, text, *text ? ", " : "", html(page, value),
                            (apr_int64_t)json_integer_value(n));
            }
        }
        if (*text) {
            add(page, "%s<tr><td>%s<td>%s</tr>\n", any++ ? ""
                : "<h2>Sessions and caches, since the start</h2>\n<table id=\"counts\">\n",
                count_groups[group].title, text);
        }
    }
    if (any) {
        add(page, "</table>\n");
    }
}

static void add_body(page_t *page)
{
    add_verdict(page);
    add_cards(page);
    add_issuers(page);
    add_refusals(page);
    add_introspection(page);
    add_counts_table(page);
    add(page, "<p class=\"soft\">Counting began %s, for all children together. Keys: "
        "those of the child that wrote this page. Version %s, configuration "
        "<code>%s</code>.</p>\n", ago(page, number(page->status, "since")),
        html(page, string(page->status, "version")),
        html(page, string(page->status, "configuration")));
}

const char *bearer_status_html(const json_t *status, apr_pool_t *p)
{
    page_t page;

    begin(&page, status, p);
    add(&page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
        "<meta name=\"viewport\" content=\"width=device-width\">"
        "<title>mod_auth_bearer</title><style>%s</style></head>\n<body><main>"
        "<h1>mod_auth_bearer</h1>\n", style);
    add_body(&page);
    add(&page, "<p class=\"soft\">This page as <a href=\"?format=json\">JSON</a> and "
        "for <a href=\"?format=prometheus\">Prometheus</a>.</p>\n"
        "</main></body></html>\n");
    return end(&page);
}

const char *bearer_status_section(const json_t *status, apr_pool_t *p)
{
    page_t page;

    begin(&page, status, p);
    add(&page, "<hr><h1>mod_auth_bearer</h1>\n");
    add_body(&page);
    return end(&page);
}

const char *bearer_status_auto(const json_t *status, apr_pool_t *p)
{
    const json_t *tokens = member(status, "tokens"), *row;
    page_t page;
    size_t i;

    begin(&page, status, p);
    add(&page, "BearerGranted: " N "\nBearerRefused: " N "\nBearerRefusedLastMinute: " N
        "\nBearerRefusedLastHour: " N "\n", sum(status, "counters", "granted"),
        sum(status, "refusals", "total"), sum(status, "refusals", "minute"),
        sum(status, "refusals", "hour"));
    add(&page, "BearerTokenCacheHits: " N "\nBearerTokenCacheMisses: " N
        "\nBearerThrottledAddresses: " N "\n",
        number(tokens, "hits"), number(tokens, "misses"),
        number(member(status, "throttle"), "penalised"));
    json_array_foreach(member(status, "counters"), i, row) {
        if (number(row, "issuers")) {
            add(&page, "BearerIssuerKeys[%s]: " N "\n",
                html(&page, string(row, "issuer")),
                number(member(row, "keys"), "count"));
        }
    }
    return end(&page);
}
