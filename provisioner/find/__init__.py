"""Which PC is a practice's gateway: computers matched to practices, read, and judged. Nothing is changed."""
