"""What provisioner costs, against budgets and against plain pywinrm, in one run: `make bench`."""
