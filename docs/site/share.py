"""Let another environment see the packages of this one, those that are installed in place included.

python docs/site/share.py OTHER/bin/python
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def main() -> None:
    """Write one line that Python runs when it starts there."""
    other = subprocess.run([sys.argv[1], "-c", WHERE], capture_output=True, text=True, check=True).stdout.strip()
    line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (Path(other) / "shared.pth").write_text(line, encoding="utf-8")


if __name__ == "__main__":
    main()
