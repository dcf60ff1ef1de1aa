"""Ten faults in a row on a real stack: threshold crossed, webhook, action, message. See `demo.faults`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demo.faults import main

if __name__ == "__main__":
    sys.exit(main())
