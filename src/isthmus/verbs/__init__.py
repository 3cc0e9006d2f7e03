"""Verbs that serve every job: train, evaluate, compare, describe, show, export, hub, demo."""
