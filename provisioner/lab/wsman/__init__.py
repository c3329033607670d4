"""What a pretend gateway speaks: HTTP and its log-ins, WS-Management, shells, the commands, and the answers."""
