"""HTTP: webhooks in, JSON out, pages, and what a process shows of itself."""
