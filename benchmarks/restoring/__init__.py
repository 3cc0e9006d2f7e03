"""The parts of benchmarks/restoration.py: one file per table, the methods (comparison), the degradations (damage)."""
