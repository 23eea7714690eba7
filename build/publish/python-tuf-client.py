"""Updates from a release directory with python-tuf, the TUF project's own client, and fetches every target.

    python-tuf-client.py URL ROOT.json SCRATCH

Not a part of the program: build/check-release runs it, by hand, so that what we write is not only read by ourselves.
"""

import os
import sys
from pathlib import Path

from tuf.ngclient import Updater
from tuf.ngclient.config import UpdaterConfig


def main(url: str, root: str, scratch: str) -> None:
    metadata, downloads = Path(scratch, "metadata"), Path(scratch, "targets")
    metadata.mkdir(parents=True)
    downloads.mkdir()
    updater = Updater(
        metadata_dir=str(metadata),
        metadata_base_url=f"{url}/metadata/",
        target_base_url=f"{url}/targets/",
        target_dir=str(downloads),
        config=UpdaterConfig(prefix_targets_with_hash=True),
        bootstrap=Path(root).read_bytes(),
    )
    updater.refresh()
    targets = updater._trusted_set.targets.targets
    for name in sorted(targets):
        path = updater.download_target(updater.get_targetinfo(name), str(downloads / name.replace("/", "_")))
        print(f"ok  {name}  {os.path.getsize(path)} bytes")
    print(f"python-tuf accepts {len(targets)} targets")


main(*sys.argv[1:])
