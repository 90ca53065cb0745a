"""The benchmark harness: see bench/README.md. Nothing but the standard library in this process, to keep it small."""
