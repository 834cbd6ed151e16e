// Licensed under the Apache License, Version 2.0; see LICENSE.
// The replace directives are those of the program's own go.mod.
module kratos

go 1.25

tool github.com/ory/kratos

require github.com/ory/kratos v1.3.1

replace (
	github.com/go-swagger/go-swagger => github.com/aeneasr/go-swagger v0.19.1-0.20241013070044-bccef3a12e26
	github.com/gobuffalo/pop/v6 => github.com/ory/pop/v6 v6.2.0
	github.com/gorilla/sessions => github.com/ory/sessions v1.2.2-0.20220110165800-b09c17334dc2
	github.com/mattn/go-sqlite3 => github.com/mattn/go-sqlite3 v1.14.22
)
