"""Two versions of a labelled dataset against each other: what changed, and how far two annotators agree."""
