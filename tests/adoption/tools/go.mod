module dunlin.example/adoption

go 1.18

require (
	github.com/golang-migrate/migrate/v4 v4.16.2 // indirect
	github.com/hashicorp/errwrap v1.1.0 // indirect
	github.com/hashicorp/go-multierror v1.1.1 // indirect
	github.com/pressly/goose/v3 v3.11.2 // indirect
	go.uber.org/atomic v1.7.0 // indirect
)
