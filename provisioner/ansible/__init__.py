"""All that is changed, through Ansible: its inventory, one private run of it, what it said, and its secrets."""
