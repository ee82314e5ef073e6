"""A folder as a power cut would leave it, from what durable.h recorded. Two ways a file system may lose what was not synced:

lost names      a name counts when its folder was synced after it: without, files are missing, or there under their old name
empty files     names are there at once, but of a file only what it held at its last sync
"""

import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
WAYS = ("lost names", "empty files")


def build(folder):
    """The shim that makes calls fail and records what was synced."""
    shim = folder / "faults.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, HERE / "faults.c", HERE / "durable.c", "-ldl", "-lpthread"], check=True)
    return shim


def begin(root, shadow):
    """Records what is there now, all of it as synced."""
    shutil.rmtree(shadow, ignore_errors=True)
    shadow.mkdir()
    (shadow / "ids").touch()
    for path in (root, *root.rglob("*")):
        if path.is_dir():
            (shadow / f"dir-{path.stat().st_ino}").write_text("".join(f"{each.stat().st_ino} {each.name}\n" for each in path.iterdir()))
        else:
            shutil.copyfile(path, shadow / f"file-{path.stat().st_ino}")


def lose_power(root, shadow, way):
    """Puts in place of `root` what is left of it."""
    ids = dict(line.split() for line in (shadow / "ids").read_text().splitlines())
    left = root.with_name(root.name + "-left")
    shutil.rmtree(left, ignore_errors=True)

    def id_of(path):
        inode = str(path.stat().st_ino)
        return ids.get(inode, inode)

    def restore_file(identity, to):
        kept = shadow / f"file-{identity}"
        shutil.copyfile(kept, to) if kept.exists() else to.touch()

    def restore_names(path, to):
        to.mkdir()
        for each in path.iterdir():
            restore_names(each, to / each.name) if each.is_dir() else restore_file(id_of(each), to / each.name)

    def restore_synced(identity, to):
        to.mkdir()
        listing = shadow / f"dir-{identity}"
        for line in listing.read_text().splitlines() if listing.exists() else ():
            entry, name = line.split(" ", 1)
            is_folder = (shadow / f"dir-{entry}").exists() or entry in folders
            restore_synced(entry, to / name) if is_folder else restore_file(entry, to / name)

    folders = {id_of(path) for path in root.rglob("*") if path.is_dir()}
    restore_names(root, left) if way == "empty files" else restore_synced(id_of(root), left)
    shutil.rmtree(root)
    left.rename(root)
