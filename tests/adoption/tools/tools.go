//go:build tools

// The programs that are built from here; the import keeps their versions in go.mod.
package tools

import (
	_ "github.com/golang-migrate/migrate/v4/cmd/migrate"
	_ "github.com/pressly/goose/v3/cmd/goose"
)
