"""The systems, one file each, and what trains, keeps, resumes and asks them, whichever they are."""
