"""`python -m fiftyone_latent_inr` is `latent-inr`."""

import sys

from .cli.main import main

sys.exit(main())
