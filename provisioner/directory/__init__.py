"""The domain's directory: which computers it has, and their passwords that it keeps. Only read, never changed."""
