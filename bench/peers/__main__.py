"""``python -m bench.peers``: times every tool on the same job, and prints and draws the result."""

from bench.peers.compare import main

main()
