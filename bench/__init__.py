"""Benchmarks: docs/performance/measuring.md says how they measure and what is compared with what."""
