"""The verbs that are the same for every job: train, evaluate, compare, describe, show, export, share."""
