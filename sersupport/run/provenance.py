"""Where a run's numbers come from."""

from __future__ import annotations

import os
import platform

from sersupport.core.keys import library_versions


def provenance() -> dict[str, str]:
    """Versions and machine that a run's figures depend on; no host name, user name or path."""
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        **library_versions(),
    }
