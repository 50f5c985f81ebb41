"""The platform on one machine: starts every process, keeps it running, stops it.

It is not an orchestrator: one machine, one user, the processes of one topology. Beyond that the
same services run on Kubernetes. `client.Platform` is the way in for commands, demo and chaos;
`python -m mesh.runtime` is the runtime itself; it is reached over a Unix socket in PLEXUS_HOME.
"""
