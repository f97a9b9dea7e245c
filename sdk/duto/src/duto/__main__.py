"""`python -m duto`: the command `duto`, also where its script is not on the PATH."""

import sys

from duto.cli.main import main

sys.exit(main())
