"""What the project is looked at with. Nothing of it is installed, and nothing of the package knows it."""
