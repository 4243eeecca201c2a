"""Other libraries' models, and how `edgekit adopt` is compared with them. See compare_with_peers.py."""
