"""What stands in the pretend practices: machines, what is peculiar to each, packages, and the folder that says so."""
