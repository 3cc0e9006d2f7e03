"""The parts of benchmarks/restoration.py: a file a table, who takes part (contest), what is mended (damage)."""
