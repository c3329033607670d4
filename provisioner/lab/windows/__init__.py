"""A pretend Windows: its state, disk, registry, services and their hosts."""
