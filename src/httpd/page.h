/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file page.h
 * What a person reads: pages about refusals, and questions. Any thread, on its own
 * request.
 */
#pragma once

#include <httpd.h>

#include "base/reason.h"

/** Sends a page about a refusal from a handler: its own, or by the status
 *  returned the administrator's ErrorDocument. `again`: a URL to go on to. */
int ab_page_refusal(request_rec *r, bearer_reason_t reason,
                    const char *detail, const char *again);
/** The same for a hook that only returns a status: prepares the page. */
void ab_page_prepare(request_rec *r, bearer_reason_t reason);
/** Registers the filter that gives a prepared page its type. */
void ab_page_register(void);
/** A page with status 200 and a paragraph; form: HTML behind it, or "". */
int ab_page_say(request_rec *r, const char *title, const char *text,
                const char *form);
/** Sends a browser on, and no copy of that anywhere; returns the status. */
int ab_page_redirect(request_rec *r, int status, const char *url);
/** No copy of this answer anywhere. */
void ab_page_no_store(request_rec *r);
