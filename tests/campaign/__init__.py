"""Property-based campaigns, which take minutes: `make campaign` runs them, `make test` does not."""
