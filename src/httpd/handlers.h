/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file handlers.h
 * What reads the directives, for the door's table only. Called in one thread, while
 * the configuration (or an .htaccess) is read; each returns NULL, or what is wrong as
 * "AB0000: text".
 */
#pragma once

#include <httpd.h>
#include <http_config.h>

/** The handlers behind the door's directive table; cmd->info is the row. */
const char *ab_config_setting(cmd_parms *cmd, void *dir, const char *args);
const char *ab_config_issuer(cmd_parms *cmd, void *dir, const char *args);
const char *ab_config_issuer_section(cmd_parms *cmd, void *dir,
                                     const char *args);
const char *ab_config_in_issuer(cmd_parms *cmd, void *dir,
                                const char *args);
const char *ab_config_global(cmd_parms *cmd, void *dir, const char *args);
const char *ab_config_login(cmd_parms *cmd, void *dir, const char *args);
const char *ab_config_secret_file(cmd_parms *cmd, void *dir,
                                  const char *args);

/* store_line.c */
const char *ab_store_directive(cmd_parms *cmd, void *dir, const char *args);

/* authz_provider.c */
/** The name, and the handler, of a directive that stands in no file. */
#define AB_AUTHZ_WRAP "AuthBearer:wrap-alias"
const char *ab_authz_wrap(cmd_parms *cmd, void *dir, const char *name);
