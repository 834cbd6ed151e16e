/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/*
 * The status as text. See status.h.
 */
#include "bearer/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <apr_strings.h>

#include "bearer/meter.h"

/** Pieces that become one string. */
typedef struct page_t {
    apr_pool_t *p;
    apr_array_header_t *pieces;
    const json_t *status;
    apr_int64_t now;
} page_t;

static void begin(page_t *page, const json_t *status, apr_pool_t *p)
{
    page->p = p;
    page->pieces = apr_array_make(p, 64, sizeof(const char *));
    page->status = status;
    page->now = (apr_int64_t)json_integer_value(json_object_get(status, "now"));
}

static void add(page_t *page, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add(page_t *page, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    APR_ARRAY_PUSH(page->pieces, const char *) = apr_pvsprintf(page->p, fmt, args);
    va_end(args);
}

static const char *end(page_t *page)
{
    return apr_array_pstrcat(page->p, page->pieces, 0);
}

/* ---- values --------------------------------------------------------------- */

static const json_t *member(const json_t *object, const char *name)
{
    return json_object_get(object, name);
}

static apr_int64_t number(const json_t *object, const char *name)
{
    return (apr_int64_t)json_integer_value(member(object, name));
}

static const char *string(const json_t *object, const char *name)
{
    const char *s = json_string_value(member(object, name));

    return s ? s : "";
}

static int is_true(const json_t *object, const char *name)
{
    return json_is_true(member(object, name));
}

/* ---- escaping ------------------------------------------------------------- */

typedef struct escape_t {
    char c;
    const char *text;
} escape_t;

static const escape_t html_escapes[] = {
    {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"},
    {'\'', "&#39;"}, {0, NULL}
};
static const escape_t label_escapes[] = {
    {'\\', "\\\\"}, {'"', "\\\""}, {'\n', "\\n"}, {0, NULL}
};

static const char *escape(const char *s, const escape_t *escapes, apr_pool_t *p)
{
    char *out = apr_palloc(p, 6 * strlen(s) + 1), *o = out;

    for (; *s; s++) {
        const escape_t *e = escapes;

        while (e->c && e->c != *s) {
            e++;
        }
        if (e->c) {
            o = apr_cpystrn(o, e->text, strlen(e->text) + 1);
        }
        else {
            *o++ = (unsigned char)*s < ' ' || *s == 0x7f ? '?' : *s;
        }
    }
    *o = '\0';
    return out;
}

static const char *html(const page_t *page, const char *s)
{
    return escape(s, html_escapes, page->p);
}

static const char *label(const page_t *page, const char *s)
{
    return escape(s, label_escapes, page->p);
}

/* ---- times ---------------------------------------------------------------- */

/* "3 min", "2 h 5 min", "4 d 3 h" */
static const char *span(const page_t *page, apr_int64_t seconds)
{
    if (seconds < 0) {
        seconds = 0;
    }
    if (seconds < 120) {
        return apr_psprintf(page->p, "%" APR_INT64_T_FMT " s", seconds);
    }
    if (seconds < 7200) {
        return apr_psprintf(page->p, "%" APR_INT64_T_FMT " min", seconds / 60);
    }
    if (seconds < 172800) {
        return apr_psprintf(page->p, "%" APR_INT64_T_FMT " h %"
                            APR_INT64_T_FMT " min", seconds / 3600,
                            seconds % 3600 / 60);
    }
    return apr_psprintf(page->p, "%" APR_INT64_T_FMT " d %"
                        APR_INT64_T_FMT " h", seconds / 86400,
                        seconds % 86400 / 3600);
}

static const char *ago(const page_t *page, apr_int64_t when)
{
    return when ? apr_psprintf(page->p, "%s ago", span(page, page->now - when))
                : "never";
}

static const char *until(const page_t *page, apr_int64_t when)
{
    return !when ? "never"
         : when <= page->now ? "now"
         : apr_psprintf(page->p, "in %s", span(page, when - page->now));
}

static const char *bytes(const page_t *page, apr_int64_t n)
{
    return n < 10240 ? apr_psprintf(page->p, "%" APR_INT64_T_FMT " bytes", n)
         : n < 10485760 ? apr_psprintf(page->p, "%" APR_INT64_T_FMT " KiB",
                                       n / 1024)
         : apr_psprintf(page->p, "%" APR_INT64_T_FMT " MiB", n / 1048576);
}

static const char *rate(const page_t *page, apr_int64_t hits, apr_int64_t misses)
{
    return hits + misses ? apr_psprintf(page->p, "%.1f %%", 100.0 * (double)hits
                                        / (double)(hits + misses)) : "&ndash;";
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
    "code{font-size:.88em;overflow-wrap:anywhere}";

typedef struct totals_t {
    apr_int64_t minute, hour, total;
} totals_t;

static totals_t totals_of(const json_t *status)
{
    totals_t sum = { 0, 0, 0 };
    const json_t *row;
    size_t i;

    json_array_foreach(member(status, "refusals"), i, row) {
        sum.minute += number(row, "minute");
        sum.hour += number(row, "hour");
        sum.total += number(row, "total");
    }
    return sum;
}

static apr_int64_t granted_of(const json_t *status)
{
    const json_t *issuer;
    apr_int64_t sum = 0;
    size_t i;

    json_array_foreach(member(status, "issuers"), i, issuer) {
        sum += number(issuer, "granted");
    }
    return sum;
}

/** How an issuer's keys are, the worst last. */
typedef enum { FRESH, NOT_ASKED, STALE, NO_KEYS } condition_t;

static const struct {
    const char *style, *word;
} conditions[] = {
    [FRESH] = { "good", "&#10003; fresh" },
    [NOT_ASKED] = { "soft", "not asked yet" },
    [STALE] = { "warn", "! serving on" },
    [NO_KEYS] = { "bad", "&#10007; no keys" }
};

/* Nobody has had its keys so far, though they were asked for: the counters know
 * of all children, the rest is what one child sees. */
static int in_vain(const json_t *issuer)
{
    const json_t *fetches = member(issuer, "fetches");

    return number(fetches, "failed") && !number(fetches, "ok");
}

/* What an administrator would look at first. Keys by tenant, and those that
 * nobody has needed yet, are no trouble. */
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
        worst == NO_KEYS ? "bad" : worst == STALE ? "warn" : "good",
        worst == NO_KEYS ? "&#10007; Some tokens cannot be verified; see below"
        : worst == STALE ? "! An issuer has trouble; what is known serves on"
                         : "&#10003; All issuers serve");
}

static void add_card(page_t *page, const char *title, const char *value,
                     const char *small)
{
    add(page, "<div class=\"card\">%s<b>%s</b><span class=\"soft\">%s</span>"
        "</div>\n", title, value, small);
}

static const char *plain(const page_t *page, apr_int64_t n)
{
    return apr_psprintf(page->p, "%" APR_INT64_T_FMT, n);
}

/* Browsers' sessions, where they are in the module's own memory. */
static void add_sessions(page_t *page)
{
    const json_t *sessions = member(page->status, "sessions");

    if (sessions) {
        add_card(page, "Sessions", plain(page, number(sessions, "count")),
                 apr_psprintf(page->p, "%s of %s used; ended for want of room: %"
                              APR_INT64_T_FMT ", logins refused for it: %"
                              APR_INT64_T_FMT ", ended by newer ones of their user: %"
                              APR_INT64_T_FMT, bytes(page, number(sessions, "used")),
                              bytes(page, number(sessions, "bytes")),
                              number(sessions, "evicted"),
                              number(sessions, "refused"),
                              number(sessions, "surplus")));
    }
}

static void add_cards(page_t *page)
{
    const json_t *tokens = member(page->status, "tokens");
    const json_t *throttle = member(page->status, "throttle");
    const json_t *revocations = member(page->status, "revocations");
    totals_t t = totals_of(page->status);

    add(page, "<div class=\"cards\">\n");
    add_card(page, "Granted", plain(page, granted_of(page->status)),
             "since the start");
    add_card(page, "Refused, last minute", plain(page, t.minute),
             apr_psprintf(page->p, "%" APR_INT64_T_FMT " in the last hour, %"
                          APR_INT64_T_FMT " since the start", t.hour, t.total));
    add_card(page, "Token cache", rate(page, number(tokens, "hits"),
                                       number(tokens, "misses")),
             apr_psprintf(page->p, "hits; %" APR_INT64_T_FMT " of %"
                          APR_INT64_T_FMT " entries, %s, %"
                          APR_INT64_T_FMT " evicted; children: %"
                          APR_INT64_T_FMT, number(tokens, "used"),
                          number(tokens, "entries"),
                          bytes(page, number(tokens, "bytes")),
                          number(tokens, "evictions"),
                          number(tokens, "children")));
    add_card(page, "Throttled addresses", plain(page, number(throttle,
                                                             "penalised")),
             apr_psprintf(page->p, "penalties begun: %" APR_INT64_T_FMT,
                          number(throttle, "started")));
    add_card(page, "Revoked",
             !is_true(revocations, "configured") ? "&ndash;"
             : is_true(revocations, "closed") ? "closed"
             : plain(page, number(revocations, "entries")),
             !is_true(revocations, "configured") ? "no list"
             : is_true(revocations, "closed")
             ? "the list cannot be read: every token is answered 503"
             : "entries of the list");
    add_sessions(page);
    add(page, "</div>\n");
}

static void add_keys(page_t *page, const json_t *list)
{
    const json_t *key;
    size_t i;

    json_array_foreach(list, i, key) {
        add(page, "<code>%s</code> <span class=\"soft\">%s %s %"
            APR_INT64_T_FMT " bits, %s</span><br>",
            *string(key, "kid") ? html(page, string(key, "kid")) : "(no kid)",
            html(page, string(key, "type")), html(page, string(key, "curve")),
            number(key, "bits"), html(page, string(key, "algorithms")));
    }
}

static const char *limit_of(const page_t *page, apr_int64_t gone)
{
    return gone > page->now ? apr_psprintf(page->p, "good for another %s",
                                           span(page, gone - page->now))
         : gone ? "no longer good" : "good until replaced";
}

static void add_ages(page_t *page, const json_t *keys)
{
    add(page, "<td class=\"whole\">");
    if (number(keys, "fetched")) {
        add(page, "keys read %s<br>again %s<br>%s",
            ago(page, number(keys, "fetched")), until(page, number(keys, "due")),
            limit_of(page, number(keys, "gone")));
    } else if (number(keys, "due")) {
        add(page, "asked again %s", until(page, number(keys, "due")));
    }
    if (number(keys, "metadata_fetched")) {
        add(page, "<br>metadata read %s",
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

static void add_issuer(page_t *page, const json_t *issuer)
{
    const json_t *keys = member(issuer, "keys");
    const json_t *fetches = member(issuer, "fetches");
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
    add(page, "<td class=\"n\">%" APR_INT64_T_FMT "<br>%" APR_INT64_T_FMT
        " failed</td><td class=\"n\">%" APR_INT64_T_FMT "</td></tr>\n",
        number(fetches, "ok"), number(fetches, "failed"),
        number(issuer, "granted"));
    add_error(page, "", style_, error);
    add_error(page, " (metadata)", "warn", strstr(error, metadata) ? ""
                                                                   : metadata);
}

static void add_issuers(page_t *page)
{
    const json_t *issuer;
    size_t i;

    add(page, "<h2>Issuers</h2>\n<div class=\"wide\"><table id=\"issuers\"><tr>"
        "<th>issuer<th>state<th>keys<th>age<th class=\"n\">fetches"
        "<th class=\"n\">granted</tr>\n");
    json_array_foreach(member(page->status, "issuers"), i, issuer) {
        add_issuer(page, issuer);
    }
    add(page, "</table></div>\n");
}

static void add_refusals(page_t *page)
{
    const json_t *row;
    size_t i;

    add(page, "<h2>Refusals</h2>\n<div class=\"wide\"><table id=\"refusals\"><tr>"
        "<th>issuer<th>category<th>check<th class=\"n\">last minute"
        "<th class=\"n\">last hour<th class=\"n\">since the start</tr>\n");
    json_array_foreach(member(page->status, "refusals"), i, row) {
        add(page, "<tr><td>%s<td>%s<td>%s<td class=\"n\">%" APR_INT64_T_FMT
            "<td class=\"n\">%" APR_INT64_T_FMT "<td class=\"n\">%"
            APR_INT64_T_FMT "</tr>\n",
            *string(row, "issuer") ? html(page, string(row, "issuer"))
                                   : "<span class=\"soft\">(none)</span>",
            html(page, string(row, "category")), html(page, string(row, "reason")),
            number(row, "minute"), number(row, "hour"), number(row, "total"));
    }
    if (!json_array_size(member(page->status, "refusals"))) {
        add(page, "<tr><td colspan=\"6\" class=\"soft\">none yet</td></tr>\n");
    }
    add(page, "</table></div>\n");
}

static void add_introspection(page_t *page)
{
    const json_t *issuer;
    size_t i;
    int any = 0;

    json_array_foreach(member(page->status, "issuers"), i, issuer) {
        const json_t *in = member(issuer, "introspection");
        apr_int64_t n = number(in, "ok") + number(in, "failed");

        if (!n && !number(in, "kept")) {
            continue;
        }
        if (!any++) {
            add(page, "<h2>Introspection</h2>\n<div class=\"wide\"><table><tr>"
                "<th>issuer<th class=\"n\">asked<th class=\"n\">failed"
                "<th class=\"n\">mean time<th class=\"n\">kept answers used"
                "<th class=\"n\">hits</tr>\n");
        }
        add(page, "<tr><td>%s<td class=\"n\">%" APR_INT64_T_FMT
            "<td class=\"n\">%" APR_INT64_T_FMT "<td class=\"n\">%.1f ms"
            "<td class=\"n\">%" APR_INT64_T_FMT "<td class=\"n\">%s</tr>\n",
            html(page, string(issuer, "name")), n, number(in, "failed"),
            n ? (double)number(in, "sum") / (double)n / 1000.0 : 0.0,
            number(in, "kept"), rate(page, number(in, "kept"), n));
    }
    if (any) {
        add(page, "</table></div>\n");
    }
}

static void add_body(page_t *page)
{
    add_verdict(page);
    add_cards(page);
    add_issuers(page);
    add_refusals(page);
    add_introspection(page);
    add(page, "<p class=\"soft\">Counted since %s, by all children together. Keys "
        "as the child sees them that wrote this. Configuration <code>%s</code>. "
        "</p>\n", ago(page, number(page->status, "since")),
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
    add(&page, "<p class=\"soft\">The same as <a href=\"?format=json\">JSON</a> and "
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
    const json_t *tokens = member(status, "tokens"), *issuer;
    totals_t t = totals_of(status);
    page_t page;
    size_t i;

    begin(&page, status, p);
    add(&page, "BearerGranted: %" APR_INT64_T_FMT "\nBearerRefused: %"
        APR_INT64_T_FMT "\nBearerRefusedLastMinute: %" APR_INT64_T_FMT
        "\nBearerRefusedLastHour: %" APR_INT64_T_FMT "\n", granted_of(status),
        t.total, t.minute, t.hour);
    add(&page, "BearerTokenCacheHits: %" APR_INT64_T_FMT
        "\nBearerTokenCacheMisses: %" APR_INT64_T_FMT
        "\nBearerThrottledAddresses: %" APR_INT64_T_FMT "\n",
        number(tokens, "hits"), number(tokens, "misses"),
        number(member(status, "throttle"), "penalised"));
    json_array_foreach(member(status, "issuers"), i, issuer) {
        add(&page, "BearerIssuerKeys[%s]: %" APR_INT64_T_FMT "\n",
            html(&page, string(issuer, "name")),
            number(member(issuer, "keys"), "count"));
    }
    return end(&page);
}

/* ---- Prometheus ------------------------------------------------------------- */

static void head(page_t *page, const char *name, const char *type,
                 const char *help)
{
    add(page, "# HELP auth_bearer_%s %s\n# TYPE auth_bearer_%s %s\n", name, help,
        name, type);
}

static void single(page_t *page, const char *name, const char *type,
                   const char *help, apr_int64_t value)
{
    head(page, name, type, help);
    add(page, "auth_bearer_%s %" APR_INT64_T_FMT "\n", name, value);
}

/** One figure of each issuer. */
typedef struct figure_t {
    const char *name, *type, *help;
    const char *group;   /**< member of the issuer, or NULL */
    const char *member;
    int relative;        /**< 1: seconds since, -1: seconds until, 0: as it is */
    const char *labels;
} figure_t;

static const figure_t figures[] = {
    { "granted_total", "counter", "Requests let in by a token or session", NULL,
      "granted", 0, "" },
    { "keys", "gauge", "Usable keys of the issuer", "keys", "count", 0, "" },
    { "keys_age_seconds", "gauge", "Since the key set was read", "keys", "fetched",
      1, "" },
    { "keys_remaining_seconds", "gauge", "Until the key set stops serving if the "
      "issuer stays unreachable", "keys", "gone", -1, "" },
    { "metadata_age_seconds", "gauge", "Since the issuer's metadata was read",
      "keys", "metadata_fetched", 1, "" },
    { "fetches_total", "counter", "Key sets asked for", "fetches", "ok", 0,
      ",result=\"ok\"" },
    { "fetches_total", NULL, NULL, "fetches", "failed", 0, ",result=\"failed\"" },
    { "unknown_kid_refreshes_total", "counter", "Key sets asked for because of an "
      "unknown kid", "fetches", "unknown_kid", 0, "" },
    { "introspections_total", "counter", "Introspection requests", "introspection",
      "ok", 0, ",result=\"ok\"" },
    { "introspections_total", NULL, NULL, "introspection", "failed", 0,
      ",result=\"failed\"" },
    { "introspection_cache_hits_total", "counter", "Kept answers used instead of "
      "asking", "introspection", "kept", 0, "" },
};

static void add_figure(page_t *page, const figure_t *f)
{
    const json_t *issuer;
    size_t i;

    if (f->type) {
        head(page, f->name, f->type, f->help);
    }
    json_array_foreach(member(page->status, "issuers"), i, issuer) {
        const json_t *group = f->group ? member(issuer, f->group) : issuer;
        apr_int64_t value = number(group, f->member);

        if (f->relative && !value) {
            continue;  /* never */
        }
        value = f->relative > 0 ? page->now - value
              : f->relative < 0 ? value - page->now : value;
        add(page, "auth_bearer_%s{issuer=\"%s\"%s} %" APR_INT64_T_FMT "\n",
            f->name, label(page, string(issuer, "name")), f->labels, value);
    }
}

static void add_refused(page_t *page)
{
    const json_t *row;
    size_t i;

    head(page, "refused_total", "counter", "Requests refused, by check");
    json_array_foreach(member(page->status, "refusals"), i, row) {
        add(page, "auth_bearer_refused_total{issuer=\"%s\",reason=\"%s\","
            "category=\"%s\"} %" APR_INT64_T_FMT "\n",
            label(page, string(row, "issuer")), label(page, string(row, "reason")),
            label(page, string(row, "category")), number(row, "total"));
    }
}

static void add_unavailable(page_t *page)
{
    const json_t *row;
    apr_int64_t sum = 0;
    size_t i;

    json_array_foreach(member(page->status, "refusals"), i, row) {
        if (!strcmp(string(row, "category"), "unavailable")) {
            sum += number(row, "total");
        }
    }
    single(page, "unavailable_total", "counter", "Requests answered 503", sum);
}

static void add_histogram(page_t *page, const json_t *issuer)
{
    const char *name = label(page, string(issuer, "name"));
    const json_t *in = member(issuer, "introspection");
    const json_t *buckets = member(in, "buckets");
    size_t i, n = json_array_size(buckets);

    for (i = 0; i < n; i++) {
        add(page, "auth_bearer_introspection_seconds_bucket{issuer=\"%s\",le=\"%s\"}"
            " %" APR_INT64_T_FMT "\n", name,
            i < BEARER_METER_BUCKETS - 1
            ? apr_psprintf(page->p, "%.3f", (double)bearer_meter_bounds[i] / 1e6)
            : "+Inf",
            (apr_int64_t)json_integer_value(json_array_get(buckets, i)));
    }
    add(page, "auth_bearer_introspection_seconds_sum{issuer=\"%s\"} %.6f\n"
        "auth_bearer_introspection_seconds_count{issuer=\"%s\"} %"
        APR_INT64_T_FMT "\n", name, (double)number(in, "sum") / 1e6, name,
        n ? (apr_int64_t)json_integer_value(json_array_get(buckets, n - 1)) : 0);
}

/** One figure of the whole. */
static const struct {
    const char *name, *type, *help;
    const char *group, *member;   /**< where in the status: a number or a truth */
} singles[] = {
    { "token_cache_entries", "gauge", "Room for verified tokens", "tokens",
      "entries" },
    { "token_cache_used", "gauge", "Verified tokens kept", "tokens", "used" },
    { "token_cache_bytes", "gauge", "Memory of verified tokens", "tokens",
      "bytes" },
    { "token_cache_hits_total", "counter", "Tokens seen before", "tokens",
      "hits" },
    { "token_cache_misses_total", "counter", "Tokens not seen before", "tokens",
      "misses" },
    { "token_cache_evictions_total", "counter", "Tokens that made room", "tokens",
      "evictions" },
    { "throttled_addresses", "gauge", "Addresses with a penalty now", "throttle",
      "penalised" },
    { "throttle_started_total", "counter", "Penalties begun", "throttle",
      "started" },
    { "revocations", "gauge", "Entries of the revocation list", "revocations",
      "entries" },
    { "revocation_list_closed", "gauge", "1: the revocation list cannot be read, "
      "access is closed", "revocations", "closed" },
    { "sessions", "gauge", "Sessions kept", "sessions", "count" },
    { "sessions_bytes", "gauge", "Memory for sessions", "sessions", "bytes" },
    { "sessions_used_bytes", "gauge", "What is used of it", "sessions", "used" },
    { "sessions_evicted_total", "counter", "Sessions ended for want of room",
      "sessions", "evicted" },
    { "sessions_refused_total", "counter", "Logins refused for want of room",
      "sessions", "refused" },
    { "sessions_surplus_total", "counter", "Sessions ended by newer ones of their "
      "user", "sessions", "surplus" },
};

static void add_singles(page_t *page)
{
    size_t i;

    for (i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
        const json_t *group = member(page->status, singles[i].group);

        single(page, singles[i].name, singles[i].type, singles[i].help,
               is_true(group, singles[i].member)
                   ? 1 : number(group, singles[i].member));
    }
}

const char *bearer_status_prometheus(const json_t *status, apr_pool_t *p)
{
    const json_t *issuer;
    page_t page;
    size_t i;

    begin(&page, status, p);
    head(&page, "info", "gauge", "The configuration by its fingerprint");
    add(&page, "auth_bearer_info{configuration=\"%s\"} 1\n",
        label(&page, string(status, "configuration")));
    single(&page, "start_time_seconds", "gauge", "Since when it is counted",
           number(status, "since"));
    for (i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        add_figure(&page, &figures[i]);
    }
    add_refused(&page);
    add_unavailable(&page);
    head(&page, "introspection_seconds", "histogram", "Time that an introspection "
         "took");
    json_array_foreach(member(status, "issuers"), i, issuer) {
        add_histogram(&page, issuer);
    }
    add_singles(&page);
    return end(&page);
}
