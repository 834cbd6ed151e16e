#!/bin/sh
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# SELinux of RHEL 9 and 10 for httpd with mod_auth_bearer. By default, httpd cannot open
# connections, so keys cannot be fetched (AB0205). Change this file for your site and run it as
# root. To see what SELinux refused: ausearch -m AVC -c httpd -ts recent
#
# It has not been run on a system that enforces SELinux: only its syntax and names were checked.
set -eu

# Issuers and applications on ports 80, 443, 8008, 8009, 8443 (http_port_t) and 8080
# (http_cache_port_t):
setsebool -P httpd_can_network_relay on

# Instead, if one of them has another port:
#     setsebool -P httpd_can_network_connect on
# or label the port:
#     semanage port -a -t http_port_t -p tcp 9000

# Only with AuthBearerSOCache redis: (6379) or memcache: (11211):
#     setsebool -P httpd_can_network_redis on
#     setsebool -P httpd_can_network_memcache on

# httpd may read keys and secrets that were created below /etc/httpd. Files that were moved there
# keep their old label, which this corrects:
if test -d /etc/httpd/bearer; then
    restorecon -R /etc/httpd/bearer
fi
