# Short names for the commands of every day; `just` lists them. Nothing here is needed to build.

_default:
    @just --list --unsorted

# the whole tour on a private server; needs no set-up
demo *arguments:
    cargo run --release --locked -- demo {{ arguments }}

# what the README tells people to run
test *arguments:
    cargo test --locked {{ arguments }}

# and the tests that need more than PostgreSQL
test-all:
    cargo test --locked --lib --test suite --test faults --test repo -- --include-ignored

# the job in front of real collectors, Tempo, Loki and Prometheus; the first time builds them (Go)
stack *arguments:
    stack/test {{ arguments }}

# docker-compose.yml, started with stand-ins for the registries' images, and asked
containers:
    stack/compose

# the fault campaign in its long form: `just faults --seed 8 SIGSTOP`
faults *arguments:
    cargo test --locked --test faults -- --include-ignored --seconds 60 {{ arguments }}

# format, then everything that finds fault without running anything
check:
    cargo fmt
    cargo clippy --locked --all-targets -- -D warnings
    cargo deny check --hide-inclusion-graph

# Grafana's dashboards and provisioning files, without a Grafana (Node 20)
grafana:
    npm ci --prefix grafana/check --silent
    npm test --prefix grafana/check --silent

# renew .sqlx/ after a change of a query or a migration
prepare:
    .ci/sqlx-prepare

# keep a database of this schema version for the upgrade test, at its release (docs/upgrades.md)
dump-schema *program:
    .ci/dump-schema {{ program }}

# ratios against pgbench, and records compared per second
bench *arguments:
    cargo bench --locked --bench ledger -- {{ arguments }}

# all that a change must pass
ci:
    .ci/run
