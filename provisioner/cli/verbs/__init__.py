"""One file a verb: it parses, calls, and prints."""
