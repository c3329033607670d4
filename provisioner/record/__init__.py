"""What a run did, for an audit: its events as a chain, the document, its page, and holding both against themselves."""
