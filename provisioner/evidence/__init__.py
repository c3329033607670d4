"""One reading of a gateway: the script that is sent, the shape of its answer, and what of it may leave the house."""
