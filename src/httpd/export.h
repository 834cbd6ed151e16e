/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file export.h
 * What others see of the request: the hooks that take the token out, and write the
 * principal in. Any thread, on its own request.
 */
#pragma once

#include <httpd.h>

int ab_export_header_parser(request_rec *r);
int ab_export_log_transaction(request_rec *r);
int ab_export_fixups(request_rec *r);
/** In the last hook before a request is served: for those that no other saw. */
void ab_export_catch_up(request_rec *r);
