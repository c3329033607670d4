"""The process that is the lab: how it is started, asked and ended."""
