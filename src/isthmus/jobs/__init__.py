"""One folder a job: the code that only one job needs."""
