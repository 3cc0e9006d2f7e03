"""Anomaly detection: detect."""
