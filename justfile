# Habitual commands. `./dev` does the larger ones without just.

set positional-arguments

# What there is.
default:
    @just --list --unsorted

# Servers, sample posts and the API, until Ctrl-C.
run *arguments:
    ./dev run "$@"

# The servers alone, in the background.
up:
    ./dev up

# Stops everything.
down:
    ./dev down

# What is running.
status:
    ./dev status

# Generated posts.
seed count:
    ./dev seed --count "$1"

# Every check and test; with arguments, the test runner alone.
test *arguments:
    ./dev test "$@"

# The benchmarks.
bench *arguments:
    ./dev bench "$@"

# Faults under load, judged by an independent checker; ten runs take most of an hour, --quick two minutes.
chaos *arguments:
    ./dev chaos "$@"

# Formats the code; `just fmt --check` only looks.
fmt *arguments:
    cargo fmt --all -- "$@"

# Clippy, with warnings denied.
lint:
    cargo clippy --workspace --all-targets -- -D warnings

# What clippy can repair by itself.
fix:
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
    cargo fmt --all

# The documentation, with warnings denied.
doc *arguments:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items "$@"

# Writes docs/CONFIG.md anew from the settings.
settings-doc:
    UPDATE_DOCS=1 cargo test -p prepnexus-settings --test settings documentation

# Licences, advisories, duplicate versions (cargo-deny).
deny:
    cargo deny check

# Dependencies that nothing uses (cargo-machete).
machete:
    cargo machete

# Spelling (typos).
typos:
    typos

# Whether a change breaks those who embed the storage crate (cargo-semver-checks). `./dev test` compares with the
# newest tag `storage-v…`, or with where the branch left main. The feature `driver` is outside the promise.
semver baseline="main":
    cargo semver-checks --package prepnexus-storage --only-explicit-features --baseline-rev "$1"

# Images and benchmarks: slower to build, faster to run.
dist:
    cargo build --locked --profile dist -p prepnexus-api -p prepnexus-migrator -p prepnexus-backup-bin

# The Debian package of the three binaries (cargo-deb), under target/debian.
deb: dist
    for program in api migrator backup; do target/dist/$program generate-pages target/pages; done
    cargo deb --no-build --profile dist --package prepnexus-api
