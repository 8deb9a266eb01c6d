"""Tables in, tables (or counts of them) out: the verbs people apply to datasets and predictions."""
