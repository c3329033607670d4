"""A practice moved to another PC, stage by stage, and back. Pure."""
