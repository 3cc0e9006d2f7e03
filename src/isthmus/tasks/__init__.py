"""A trained model at a job: run it, score it, show it. Every verb of the command line is one function here."""
