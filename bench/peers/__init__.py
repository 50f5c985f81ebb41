"""What is measured: Plexus, and what people would use in its place, each as its documentation says."""
