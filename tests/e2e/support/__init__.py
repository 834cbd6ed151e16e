# Licensed under the Apache License, Version 2.0; see LICENSE.
"""What the end-to-end tests are made of: a server, issuers, tokens, a client."""
