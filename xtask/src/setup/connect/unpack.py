"""Takes some files out of a wheel: WHEEL, ROOT, then FOLDER=PATTERN for each."""
import fnmatch, pathlib, sys, zipfile

wheel = zipfile.ZipFile(sys.argv[1])
for wanted in sys.argv[3:]:
    folder, pattern = wanted.split("=", 1)
    names = fnmatch.filter(wheel.namelist(), pattern)
    if not names:
        sys.exit(f"the wheel has no {pattern}")
    place = pathlib.Path(sys.argv[2], folder)
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        (place / pathlib.PurePosixPath(name).name).write_bytes(wheel.read(name))
