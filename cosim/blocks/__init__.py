"""Circuit blocks, one folder each, and the two files they share: data set and behavioural model."""
