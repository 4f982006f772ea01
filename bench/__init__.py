"""What ``bin/bench`` runs. Each module measures one thing and can be started by itself."""
