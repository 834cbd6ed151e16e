/* Licensed under the Apache License, Version 2.0; see LICENSE. */
/**
 * @file handlers.h
 * The handlers of the directives, for the table in mod_auth_bearer.c. Called in one
 * thread, while httpd reads the configuration or an .htaccess. Each returns NULL, or an
 * error as "AB0000: text".
 */
#pragma once

#include <httpd.h>
#include <http_config.h>

/** The handlers of the directive table; cmd->info is the row.
 *  @param dir  the record of the section
 *  @param args  the arguments as written */
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
/** The name and the handler of an internal directive that no file may contain. It wraps
 *  the alias `name` when httpd has registered it. */
#define AB_AUTHZ_WRAP "AuthBearer:wrap-alias"
const char *ab_authz_wrap(cmd_parms *cmd, void *dir, const char *name);
