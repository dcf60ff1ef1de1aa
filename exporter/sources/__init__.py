"""What collectors read from: kernel files, mounts, HTTP endpoints, log files. One file per kind of source."""
