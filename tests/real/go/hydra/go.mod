// Licensed under the Apache License, Version 2.0; see LICENSE.
// The replace directives are those of the program's own go.mod.
module hydra

go 1.25

tool github.com/ory/hydra/v2

require github.com/ory/hydra/v2 v2.3.0

replace github.com/gobuffalo/pop/v6 => github.com/ory/pop/v6 v6.2.1-0.20241121111754-e5dfc0f3344b
