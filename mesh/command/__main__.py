"""`python -m mesh.command`: the same as `plexus`."""

from mesh.command import main

main()
