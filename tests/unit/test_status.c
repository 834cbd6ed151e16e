/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/* The status as a page, as lines for mod_status, and for Prometheus. */
#include "unit.h"

#include "report/status.h"

static const char full[] =
    "{\"version\":\"1.2.3-x\","
    "\"now\":1000000,\"since\":990000,\"configuration\":\"ab12\",\"issuers\":["
    "{\"name\":\"main\",\"url\":\"https://i.test/?a&b\",\"granted\":7,"
    "\"keys\":{\"list\":[{\"kid\":\"<k>\",\"type\":\"RSA\",\"curve\":\"\","
    "\"bits\":2048,\"algorithms\":\"RS256\"}],\"count\":1,\"fetched\":999900,"
    "\"due\":1000060,\"gone\":1080000,\"last_error\":\"\","
    "\"metadata_fetched\":999800},"
    "\"fetches\":{\"ok\":3,\"failed\":1,\"unknown_kid\":2},"
    "\"introspection\":{\"ok\":2,\"failed\":1,\"kept\":9,"
    "\"sum\":1500000,"
    "\"buckets\":[1,1,1,1,1,1,1,1,2,3,3]}},"
    "{\"name\":\"late\",\"url\":\"https://late.test\",\"keys\":{\"count\":2}}],"
    "\"counters\":["
    "{\"issuer\":\"\",\"issuers\":0,\"granted\":5,\"fetches\":{\"ok\":0},"
    "\"introspection\":{\"ok\":0,\"failed\":0,\"buckets\":[0]}},"
    "{\"issuer\":\"main\",\"issuers\":1,\"granted\":7,\"turned_away\":4,"
    "\"keys\":{\"count\":1,\"fetched\":999900,\"gone\":1080000,"
    "\"metadata_fetched\":999800},"
    "\"fetches\":{\"ok\":3,\"failed\":1,\"unknown_kid\":2},"
    "\"introspection\":{\"ok\":2,\"failed\":1,\"kept\":9,"
    "\"sum\":1500000,"
    "\"buckets\":[1,1,1,1,1,1,1,1,2,3,3]}},"
    "{\"issuer\":\"old\",\"issuers\":0,\"granted\":2,\"fetches\":{\"ok\":4}},"
    "{\"issuer\":\"(others)\",\"issuers\":968,\"granted\":11,"
    "\"keys\":{\"count\":900},\"fetches\":{\"ok\":6}}],"
    "\"counts\":{\"logins\":{\"ok\":21,\"stale\":0},\"sessions_ended\":{\"logout\":22},"
    "\"cache_errors\":{\"keys\":0}},"
    "\"refusals\":[{\"issuer\":\"\",\"reason\":\"no_credential\",\"category\":"
    "\"no_credential\",\"minute\":1,\"hour\":2,\"total\":3},"
    "{\"issuer\":\"main\",\"reason\":\"keys\",\"category\":\"unavailable\","
    "\"minute\":0,\"hour\":4,\"total\":5}],"
    "\"tokens\":{\"entries\":1024,\"used\":3,\"bytes\":4096,\"hits\":3,"
    "\"misses\":1,\"evictions\":0,\"children\":2},"
    "\"throttle\":{\"penalised\":1,\"remembered\":4,\"started\":6},"
    "\"revocations\":{\"configured\":true,\"closed\":false,\"entries\":8},"
    "\"waiting\":{\"now\":3,\"limit\":16,\"services\":5,\"cache\":6},"
    "\"proofs\":{\"count\":14,\"bytes\":8912896,\"used\":1890,\"refused\":15,\"share\":16},"
    "\"sessions\":{\"count\":12,\"bytes\":8388608,\"used\":65536,\"evicted\":3,"
    "\"refused\":2,\"surplus\":1}}";

static const json_t *parsed(apr_pool_t *p, const char *text)
{
    json_t *value;

    assert_int_equal(bearer_json_parse(&value, text, strlen(text), NULL, p),
                     APR_SUCCESS);
    return value;
}

static void has(const char *text, const char *wanted)
{
    if (!strstr(text, wanted)) {
        fail_msg("lacks: %s\n%s", wanted, text);
    }
}

static void test_prometheus(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *text = bearer_status_prometheus(parsed(p, full), p);
    static const char *const lines[] = {
        "auth_bearer_info{version=\"1.2.3-x\",configuration=\"ab12\"} 1\n",
        "auth_bearer_granted_total{issuer=\"\"} 5\n",
        "auth_bearer_granted_total{issuer=\"main\"} 7\n",
        "auth_bearer_granted_total{issuer=\"old\"} 2\n",
        "auth_bearer_granted_total{issuer=\"(others)\"} 11\n",
        "auth_bearer_keys{issuer=\"(others)\"} 900\n",
        "auth_bearer_keys{issuer=\"main\"} 1\n",
        "auth_bearer_keys_age_seconds{issuer=\"main\"} 100\n",
        "auth_bearer_keys_remaining_seconds{issuer=\"main\"} 80000\n",
        "auth_bearer_metadata_age_seconds{issuer=\"main\"} 200\n",
        "auth_bearer_introspection_cache_hits_total{issuer=\"main\"} 9\n",
        "auth_bearer_fetches_total{issuer=\"main\",result=\"ok\"} 3\n",
        "auth_bearer_fetches_total{issuer=\"main\",result=\"failed\"} 1\n",
        "auth_bearer_unknown_kid_refreshes_total{issuer=\"main\"} 2\n",
        ("auth_bearer_refused_total{issuer=\"\",reason=\"no_credential\","
         "category=\"no_credential\"} 3\n"),
        "auth_bearer_unavailable_total 5\n",
        "auth_bearer_introspection_seconds_bucket{issuer=\"main\",le=\"0.005\"} 1\n",
        "auth_bearer_introspection_seconds_bucket{issuer=\"main\",le=\"+Inf\"} 3\n",
        "auth_bearer_introspection_seconds_sum{issuer=\"main\"} 1.500000\n",
        "auth_bearer_introspection_seconds_count{issuer=\"main\"} 3\n",
        "auth_bearer_token_cache_hits_total 3\n",
        "auth_bearer_throttled_addresses 1\n",
        "auth_bearer_throttle_started_total 6\n",
        "auth_bearer_revocations 8\n", "auth_bearer_revocation_list_closed 0\n",
        "auth_bearer_sessions 12\n", "auth_bearer_sessions_bytes 8388608\n",
        "auth_bearer_sessions_used_bytes 65536\n",
        "auth_bearer_sessions_evicted_total 3\n",
        "auth_bearer_sessions_refused_total 2\n",
        "auth_bearer_sessions_surplus_total 1\n",
        "auth_bearer_proofs 14\n", "auth_bearer_proofs_bytes 8912896\n",
        "auth_bearer_proofs_used_bytes 1890\n", "auth_bearer_proofs_refused_total 15\n",
        "auth_bearer_proofs_share_refused_total 16\n",
        "auth_bearer_waiting_workers 3\n", "auth_bearer_waiting_workers_limit 16\n",
        "auth_bearer_turned_away_total{issuer=\"main\"} 4\n",
        "auth_bearer_turned_away_services_total 5\n",
        "auth_bearer_turned_away_cache_total 6\n",
        "auth_bearer_logins_total{result=\"ok\"} 21\n",
        "auth_bearer_logins_total{result=\"stale\"} 0\n",
        "auth_bearer_sessions_ended_total{reason=\"logout\"} 22\n",
        "auth_bearer_cache_errors_total{cache=\"keys\"} 0\n",
        "# TYPE auth_bearer_introspection_seconds histogram\n",
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(lines); i++) {
        has(text, lines[i]);
    }
    /* an issuer without a label of its own, and what never happened to none */
    assert_null(strstr(text, "late"));
    assert_null(strstr(text, "auth_bearer_keys{issuer=\"\"}"));
    assert_null(strstr(text, "introspection_seconds_count{issuer=\"\"}"));
    assert_null(strstr(text, "introspection_seconds_count{issuer=\"old\"}"));
    /* nor is anything counted that the status does not say */
    has(bearer_status_prometheus(parsed(p, "{\"counters\":[{\"issuer\":\"a\","
        "\"issuers\":1,\"introspection\":{\"ok\":1}}]}"), p),
        "introspection_seconds_count{issuer=\"a\"} 0\n");
}

/* Each family is declared once, and its samples follow one another. */
static void test_families_stand_together(void **state)
{
    apr_pool_t *p = unit_pool(state);
    char *text = apr_pstrdup(p, bearer_status_prometheus(parsed(p, full), p));
    char *last, *line = apr_strtok(text, "\n", &last);
    const char *family = "";

    for (; line; line = apr_strtok(NULL, "\n", &last)) {
        if (!strncmp(line, "# TYPE ", 7)) {
            family = apr_pstrmemdup(p, line + 7, strcspn(line + 7, " "));
        } else if (*line != '#') {
            assert_int_equal(strncmp(line, family, strlen(family)), 0);
        }
    }
}

static int count(const char *text, const char *part)
{
    int n = 0;

    for (; (text = strstr(text, part)) != NULL; text++) {
        n++;
    }
    return n;
}

/* With something in each part, and with nothing in any. */
static void test_elements_are_closed(void **state)
{
    static const char *const statuses[] = { full, "{}" };
    static const char *const names[] = { "table", "div" };
    apr_pool_t *p = unit_pool(state);
    size_t i, j;

    for (i = 0; i < UNIT_COUNT(statuses); i++) {
        const char *text = bearer_status_html(parsed(p, statuses[i]), p);

        for (j = 0; j < UNIT_COUNT(names); j++) {
            UNIT_CHECK(count(text, apr_pstrcat(p, "<", names[j], NULL))
                       == count(text, apr_pstrcat(p, "</", names[j], ">", NULL)),
                       "%s\n%s", names[j], text);
        }
    }
}

/** The verdict at the top of the page. */
#define GOOD "class=\"verdict good\""
#define BAD "class=\"verdict bad\""

static void test_page(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *text = bearer_status_html(parsed(p, full), p);

    has(text, "<!DOCTYPE html>");
    has(text, "prefers-color-scheme:dark");
    has(text, "&lt;k&gt;");
    has(text, "https://i.test/?a&amp;b");
    has(text, "75.0 %");
    has(text, GOOD);
    has(text, "100 s ago<br>");
    has(text, "in 60 s<br>");
    has(text, "another 22 h 13 min");
    has(text, "500.0 ms");
    has(text, "<b>12</b>");
    has(text, "<b>25</b>");  /* granted: the sum of all labels */
    has(text, "<b>late</b>");
    has(text, "968 issuers, counted together");
    has(text, "old</td><td colspan=\"3\" class=\"soft\">no longer in the "
        "configuration");
    has(text, "Version 1.2.3-x, configuration <code>ab12</code>");
    has(text, "without an issuer");
    has(text, "of 16 ");
    has(text, ": 15</span>");
    has(text, ": 3, ");
    has(text, ": 2, ");
    assert_null(strstr(text, "<k>"));
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "src="));
    assert_null(strstr(text, "http:"));
}

static void test_times(void **state)
{
    apr_pool_t *p = unit_pool(state);
    static const struct {
        int seconds;
        const char *text;
    } cases[] = {
        { 119, "in 119 s" }, { 120, "in 2 min" }, { 3540, "in 59 min" },
        { 7199, "in 119 min" }, { 7200, "in 2 h 0 min" },
        { 172799, "in 47 h 59 min" }, { 172800, "in 2 d 0 h" }
    };
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        has(bearer_status_html(parsed(p, apr_psprintf(p, "{\"now\":10,"
            "\"issuers\":[{\"name\":\"a\",\"keys\":{\"count\":1,"
            "\"fetched\":9,\"due\":%d,\"gone\":999999}}]}",
            10 + cases[i].seconds)), p), cases[i].text);
    }
}

static void test_trouble_is_seen_first(void **state)
{
    apr_pool_t *p = unit_pool(state);

    has(bearer_status_html(parsed(p, "{\"now\":10,\"issuers\":[{\"name\":\"a\","
        "\"keys\":{\"count\":0,\"last_error\":\"down <b>\"}}]}"), p),
        BAD);
    has(bearer_status_html(parsed(p, "{\"now\":10,\"issuers\":[{\"name\":\"a\","
        "\"keys\":{\"count\":1,\"last_error\":\"down <b>\"}}]}"), p),
        "last error: down &lt;b&gt;");
    /* another child asked */
    has(bearer_status_html(parsed(p, "{\"now\":10,\"issuers\":[{\"name\":\"a\","
        "\"fetches\":{\"ok\":0,\"failed\":1},\"keys\":{\"count\":0}}]}"), p),
        BAD);
    /* where others count with it, its own row has no numbers */
    has(bearer_status_html(parsed(p, "{\"now\":10,\"issuers\":[{\"name\":\"a\"}]}"), p),
        "<td class=\"n\">&ndash;</td><td class=\"n\">&ndash;</td></tr>");
    /* nobody did */
    has(bearer_status_html(parsed(p, "{\"now\":10,\"issuers\":[{\"name\":\"a\","
        "\"keys\":{\"count\":0}}]}"), p), GOOD);
    has(bearer_status_html(parsed(p, "{\"now\":10,\"issuers\":[{\"name\":\"a\","
        "\"keys\":{\"count\":1,\"gone\":9}}]}"), p),
        BAD);
    has(bearer_status_html(parsed(p, "{\"revocations\":{\"configured\":true,"
        "\"closed\":true}}"), p), BAD);
}

static void test_auto(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const char *text = bearer_status_auto(parsed(p, full), p);

    has(text, "BearerGranted: 25\n");
    has(text, "BearerRefused: 8\n");
    has(text, "BearerRefusedLastMinute: 1\n");
    has(text, "BearerIssuerKeys[main]: 1\n");
    has(text, "BearerIssuerKeys[(others)]: 900\n");
    assert_null(strstr(text, "late"));
    assert_null(strchr(text, '<'));
}

/* Names are escaped for where they stand; nothing at all is no crash. */
static void test_hostile_and_empty(void **state)
{
    apr_pool_t *p = unit_pool(state);
    const json_t *hostile = parsed(p, "{\"counters\":[{\"issuers\":1,"
                                   "\"issuer\":"
                                   "\"a\\\"} 1\\nx\\\\<script>\\u0007\"}],"
                                   "\"issuers\":[{\"name\":\"<script>\"}]}");
    const json_t *empty = parsed(p, "{}");

    has(bearer_status_prometheus(hostile, p),
        "auth_bearer_keys{issuer=\"a\\\"} 1\\nx\\\\<script>?\"} 0\n");
    assert_null(strstr(bearer_status_html(hostile, p), "<script"));
    has(bearer_status_html(empty, p), "</html>");
    has(bearer_status_prometheus(empty, p), "auth_bearer_unavailable_total 0\n");
    has(bearer_status_auto(empty, p), "BearerGranted: 0\n");
    has(bearer_status_section(empty, p), "mod_auth_bearer");
}

static const char *page_of(apr_pool_t *p, int fetched, const char *name)
{
    return bearer_status_html(parsed(p, apr_psprintf(p, "{\"now\":1000000,\"issuers\":[{"
        "\"name\":\"%s\",\"keys\":{\"count\":1,\"fetched\":%d}}]}", name,
        1000000 - fetched)), p);
}

/* Where one unit ends and the next begins. */
static void test_spans(void **state)
{
    static const struct {
        int seconds;
        const char *text;
    } cases[] = {
        { 0, " 0 s ago" }, { 119, "119 s ago" }, { 120, " 2 min ago" },
        { 3599, "59 min ago" }, { 7199, "119 min ago" },
        { 7200, "2 h 0 min ago" }, { 172799, "47 h 59 min ago" },
        { 172800, "2 d 0 h ago" }, { 259199, "2 d 23 h ago" }, { -5, " 0 s ago" }
    };
    apr_pool_t *p = unit_pool(state);
    size_t i;

    for (i = 0; i < UNIT_COUNT(cases); i++) {
        has(page_of(p, cases[i].seconds, "a"), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_TEST(test_prometheus),            UNIT_TEST(test_families_stand_together),
        UNIT_TEST(test_elements_are_closed),   UNIT_TEST(test_page),
        UNIT_TEST(test_times),                 UNIT_TEST(test_trouble_is_seen_first),
        UNIT_TEST(test_auto),                  UNIT_TEST(test_hostile_and_empty),
        UNIT_TEST(test_spans),
    };

    return UNIT_RUN("status", tests);
}
