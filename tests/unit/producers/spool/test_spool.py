import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from producers.spool.message_file import DamagedMessageFile, SpooledMessage, pack, unpack
from producers.spool.spool import Spool, SpoolBusy, SpoolEntry, SpoolFull, SpoolLimits, SpoolUnusable
from producers.spool.usage import SpoolUsage
from tests.support.servers.processes import packages_env

DAY = 86_400.0


def parcel(name: str, size: int = 100) -> SpooledMessage:
    return SpooledMessage(name, "shop", bytes(size))


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "spool")


def names(spool: Spool) -> list[str]:
    """The ids of the messages, in the order in which they are drained."""
    found = [spool.read(entry) for entry in spool.entries()]
    return [each.event_id for each in found if each is not None]


# --- a file -----------------------------------------------------------------------------------------------------------

WHOLE = pack(SpooledMessage("3f0e", "team/shop", b"\x00body", "avro", "deploy_events"))


def test_a_file_gives_back_what_was_put() -> None:
    assert unpack(WHOLE) == SpooledMessage("3f0e", "team/shop", b"\x00body", "avro", "deploy_events")


@pytest.mark.parametrize("length", range(len(WHOLE)))
def test_a_file_that_was_cut_short_is_no_message(length: int) -> None:
    with pytest.raises(DamagedMessageFile):
        unpack(WHOLE[:length])


@pytest.mark.parametrize("position", range(len(WHOLE)))
def test_a_file_with_one_changed_byte_is_no_message(position: int) -> None:
    changed = bytearray(WHOLE)
    changed[position] ^= 0x20
    with pytest.raises(DamagedMessageFile):
        unpack(bytes(changed))


def test_a_file_of_another_version_says_who_can_read_it() -> None:
    with pytest.raises(DamagedMessageFile, match="version 2"):
        unpack(WHOLE[:4] + b"\x02" + WHOLE[5:])


# --- in and out -------------------------------------------------------------------------------------------------------


def test_messages_come_out_in_the_order_in_which_they_were_put(folder: str) -> None:
    clock = iter([10.0, 20.0, 20.0])
    with Spool(folder, clock=lambda: next(clock)) as spool:
        spool.put(parcel("x"))
        spool.put_all([parcel("b"), parcel("a")])

        assert names(spool) == ["x", "b", "a"]
        assert [entry.name for entry in spool.entries()] == ["10000-x", "20000-b", "20001-a"]


def test_two_contents_of_one_id_in_one_millisecond_are_both_kept(folder: str) -> None:
    with Spool(folder, clock=lambda: 1.0) as spool, Spool(folder, clock=lambda: 1.0) as another:
        spool.put(parcel("same", 1))
        another.put(parcel("same", 2))

        assert [len(each.content) for each in map(spool.read, spool.entries()) if each] == [1, 2]


def test_what_is_removed_is_gone_and_makes_room(folder: str) -> None:
    with Spool(folder, SpoolLimits(max_files=1)) as spool:
        spool.put(parcel("one"))
        spool.remove(spool.entries()[0])
        spool.put(parcel("two"))

        assert names(spool) == ["two"]


def test_the_quarantine_says_why(folder: str) -> None:
    with Spool(folder, clock=lambda: 5.0) as spool:
        spool.put(parcel("bad"))
        spool.quarantine(spool.entries()[0], "the reason")

        assert spool.entries() == []
        assert Path(folder, "quarantine/5000-bad.reason").read_text("utf-8") == "the reason\n"
        assert unpack(Path(folder, "quarantine/5000-bad").read_bytes()) == parcel("bad")
        assert spool.quarantined().files == 1


def test_a_full_quarantine_takes_nothing_and_loses_nothing(folder: str) -> None:
    with Spool(folder, SpoolLimits(max_files=1)) as spool:
        spool.put(parcel("one"))
        spool.quarantine(spool.entries()[0], "first")
        spool.put(parcel("two"))
        with pytest.raises(SpoolFull, match="quarantine"):
            spool.quarantine(spool.entries()[0], "second")

        assert names(spool) == ["two"]


def test_age_counts_from_the_time_of_putting(folder: str) -> None:
    now = [0.0]
    with Spool(folder, SpoolLimits(max_age=DAY), clock=lambda: now[0]) as spool:
        spool.put(parcel("old"))
        [entry] = spool.entries()
        now[0] = DAY
        assert not spool.too_old(entry)
        now[0] = DAY + 1
        assert spool.too_old(entry)


def test_as_many_as_are_ever_put_together_come_out_in_order(folder: str) -> None:
    every = [f"n{number:03}" for number in range(200)]
    with Spool(folder, clock=lambda: 1.0) as spool:
        spool.put_all([parcel(name) for name in every])

        assert names(spool) == every
        assert spool.usage() == SpoolUsage(200, sum(len(pack(parcel(name))) for name in every))


def test_nothing_at_all_may_be_put(folder: str) -> None:
    with Spool(folder, SpoolLimits(max_files=0, max_bytes=0)) as spool:
        spool.put_all([])
        assert spool.usage() == SpoolUsage(0, 0)
        with pytest.raises(SpoolFull):
            spool.put(parcel("one"))


def test_a_disk_that_takes_a_byte_at_a_time_gets_all_of_them(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, view: write(descriptor, view[:1]))
    with Spool(folder) as spool:
        spool.put(parcel("one"))
        assert [spool.read(entry) for entry in spool.entries()] == [parcel("one")]


def test_the_oldest_is_the_one_that_was_put_first(folder: str) -> None:
    clock = iter([10.0, 9.0, 30.0])
    with Spool(folder, clock=lambda: next(clock)) as spool:
        assert spool.oldest() is None
        spool.put(parcel("b"))
        spool.put(parcel("a"))

        assert spool.oldest() == SpoolEntry(10.0, "10000-b")
        assert spool.entries()[1] == SpoolEntry(10.001, "10001-a")
        assert spool.age(spool.entries()[0]) == 20.0


def test_a_clock_that_was_put_back_makes_nothing_younger_than_new(folder: str) -> None:
    now = [10.0]
    with Spool(folder, clock=lambda: now[0]) as spool:
        spool.put(parcel("one"))
        [entry] = spool.entries()
        now[0] = 5.0
        assert spool.age(entry) == 0.0
        now[0] = 10.5
        assert spool.age(entry) == 0.5


def test_what_is_gone_or_cannot_be_read(folder: str) -> None:
    with Spool(folder) as spool:
        spool.put(parcel("one"))
        [entry] = spool.entries()
        Path(folder, "2000-folder").mkdir()
        with pytest.raises(DamagedMessageFile, match="cannot be read: Is a directory"):
            spool.read(spool.entries()[0])
        spool.remove(entry)
        spool.remove(entry)
        assert spool.read(entry) is None
        spool.quarantine(entry, "gone")
        assert spool.quarantined().files == 0


@pytest.mark.parametrize("how", ["remove", "quarantine"])
def test_the_count_follows_what_goes(folder: str, how: str) -> None:
    with Spool(folder, clock=lambda: 1.0) as spool:
        spool.put_all([parcel("one", 10), parcel("two", 20)])
        first = spool.entries()[0]
        if how == "remove":
            spool.remove(first)
        else:
            spool.quarantine(first, "the reason")

        assert spool.usage() == SpoolUsage(1, len(pack(parcel("two", 20))))


def test_nobody_else_may_look_into_it(folder: str) -> None:
    """The messages may tell what is not public."""
    with Spool(folder) as spool:
        spool.put(parcel("one"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in Path(folder).iterdir()}
        assert Path(folder).stat().st_mode & 0o777 == 0o700
        assert {modes["tmp"], modes["quarantine"]} == {0o700}
        assert modes[spool.entries()[0].name] == 0o600
        with spool.draining():
            assert Path(folder, ".drain").stat().st_mode & 0o777 == 0o600
        assert Path(spool._writer).stat().st_mode & 0o777 == 0o700
        assert Path(spool._writer, ".lease").stat().st_mode & 0o777 == 0o600


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits", [SpoolLimits(max_files=3), SpoolLimits(max_bytes=3 * len(pack(parcel("n0"))))], ids=["files", "bytes"]
)
def test_a_full_spool_refuses_and_keeps_what_it_has(folder: str, limits: SpoolLimits) -> None:
    with Spool(folder, limits) as spool:
        spool.put_all([parcel("n0"), parcel("n1")])
        with pytest.raises(SpoolFull, match="is full"):
            spool.put_all([parcel("n2"), parcel("n3")])
        spool.put(parcel("n4"))

        assert sorted(names(spool)) == ["n0", "n1", "n4"]


def test_two_that_share_a_folder_share_its_limit(folder: str) -> None:
    limits = SpoolLimits(max_files=40)
    refused = []

    def fill(spool: Spool, name: str) -> None:
        for number in range(30):
            try:
                spool.put(parcel(f"{name}-{number}"))
            except SpoolFull:
                refused.append(number)

    with Spool(folder, limits) as first, Spool(folder, limits) as second:
        threads = [threading.Thread(target=fill, args=each) for each in ((first, "a"), (first, "b"), (second, "c"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(first.entries()) == 40
        assert len(refused) == 50
        assert first.usage().files == 40


def test_what_somebody_else_took_out_of_the_folder_is_room_again(folder: str) -> None:
    with Spool(folder, SpoolLimits(max_files=1)) as spool:
        spool.put(parcel("one"))
        spool._usage._counted_at = -10.0
        Path(folder, spool.entries()[0].name).unlink()
        spool.put(parcel("two"))

        assert names(spool) == ["two"]


@pytest.mark.parametrize("files", [1, 2])
def test_the_quarantine_takes_as_much_as_the_spool(folder: str, files: int) -> None:
    size = len(pack(parcel("n0")))
    limits = [
        SpoolLimits(max_files=files),
        SpoolLimits(max_bytes=files * size),
        SpoolLimits(max_bytes=files * size - 1),
    ]
    for number, limit in enumerate(limits):
        with Spool(f"{folder}-{number}") as spool:
            spool.put_all([parcel(f"n{one}") for one in range(4)])
        with Spool(f"{folder}-{number}", limit) as spool:
            for _ in range(files):
                spool.quarantine(spool.entries()[0], "the reason")
            with pytest.raises(SpoolFull, match="quarantine"):
                spool.quarantine(spool.entries()[0], "the reason")
            assert spool.quarantined() == SpoolUsage(files, files * size)


def test_by_default_it_takes_64_mebibytes_ten_thousand_files_and_thirty_days() -> None:
    assert SpoolLimits() == SpoolLimits(max_bytes=67_108_864, max_files=10_000, max_age=2_592_000.0)


# --- faults -----------------------------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    with pytest.raises(SpoolUnusable, match=f"{tmp_path}/file/spool"):
        Spool(f"{tmp_path}/file/spool")


def test_a_disk_that_is_full_is_told_and_leaves_nothing_half(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with Spool(folder) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full)
            with pytest.raises(SpoolUnusable, match="No space left"):
                spool.put(parcel("one"))
            with pytest.raises(SpoolUnusable, match="No space left"):
                spool.check_writable()

        assert spool.entries() == []
        assert spool.usage() == SpoolUsage(0, 0)
        assert [path.name for path in Path(spool._writer).iterdir()] == [".lease"]
        spool.check_writable()
        assert [path.name for path in Path(spool._writer).iterdir()] == [".lease"]


@pytest.mark.parametrize("name", ["ftruncate", "fsync", "rename"])
def test_what_is_kept_of_several_when_the_disk_fails_is_whole(
    folder: str, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    calls: list[object] = []
    operation = getattr(os, name)

    def second_fails(*args: Any) -> Any:
        calls.append(args)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return operation(*args)

    with Spool(folder) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(os, name, second_fails)
            with pytest.raises(SpoolUnusable, match="No space left"):
                spool.put_all([parcel("one"), parcel("two"), parcel("three")])

        kept = ["one"] if name == "rename" else []
        assert names(spool) == kept
        assert spool.usage() == SpoolUsage(len(kept), sum(len(pack(parcel(one))) for one in kept))
        assert [path.name for path in Path(spool._writer).iterdir()] == [".lease"]


def threads_of(spool: Spool) -> ThreadPoolExecutor | None:
    return spool._pool


def test_one_message_is_synced_without_threads_and_several_with_the_same_ones(folder: str) -> None:
    with Spool(folder) as spool:
        spool.put(parcel("one"))
        assert threads_of(spool) is None
        spool.put_all([parcel("two"), parcel("three")])
        pool = threads_of(spool)
        spool.put_all([parcel("four"), parcel("five")])
        assert threads_of(spool) is pool
    assert pool is not None
    with pytest.raises(RuntimeError, match="shutdown"):
        pool.submit(print)


def test_a_new_folder_is_on_the_disk_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut could take all of it."""
    synced: list[int] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    with Spool(f"{tmp_path}/a/spool"):
        assert synced == [Path(tmp_path, "a").stat().st_ino]
    with Spool(f"{tmp_path}/a/spool"):
        assert len(synced) == 1


def test_only_one_drains_at_a_time(folder: str) -> None:
    with Spool(folder) as first, Spool(folder) as second:
        with first.draining(), pytest.raises(SpoolBusy), second.draining():
            pass
        with second.draining():
            assert second.entries() == []


def test_a_message_is_on_the_disk_before_anybody_is_told(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def noted(name: str) -> None:
        operation = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            done.append(name)
            return operation(*args, **kwargs)

        monkeypatch.setattr(os, name, call)

    with Spool(folder) as spool:
        for name in ("write", "fsync", "rename"):
            noted(name)
        spool.put(parcel("one"))

    assert done == ["write", "fsync", "rename", "fsync"]


# --- death ------------------------------------------------------------------------------------------------------------


@pytest.mark.proof
def test_a_crash_between_any_two_operations_loses_nothing_and_sends_nothing_half(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.support.spool_crashes", str(tmp_path)]
    root = Path(__file__).parents[4]
    env = {**os.environ, **packages_env(), "PYTHONSAFEPATH": "", "PYTHONPATH": f"{_packages()}:{root}"}
    verdicts = json.loads(subprocess.run(program, env=env, cwd=root, capture_output=True, check=True, text=True).stdout)

    assert len({(verdict["case"], verdict["step"]) for verdict in verdicts}) > 80
    for verdict in verdicts:
        there = set(verdict["delivered"]) | set(verdict["found"])
        if verdict["case"] == "quarantine":
            there |= {"one"} if verdict["aside"] else set()
        assert set(verdict["acknowledged"]) <= there, verdict
        assert len(verdict["found"]) == len(set(verdict["found"])), verdict
        assert len(set(verdict["delivered"]) & set(verdict["found"])) <= 1, verdict  # the one it died on
        assert verdict["left"] == 0, verdict
        assert verdict["room"] == 20, verdict


_WRITER = """
import sys
from producers.spool.message_file import SpooledMessage
from producers.spool.spool import Spool
spool = Spool(sys.argv[1])
for number in range(100_000):
    name = f"{sys.argv[2]}-{number}"
    spool.put(SpooledMessage(name, "shop", name.encode() * 20))
    print(name, flush=True)
"""


def test_writers_that_are_killed_lose_nothing_that_they_were_told_is_kept(folder: str, tmp_path: Path) -> None:
    rng, told = random.Random(7), list[str]()
    for life in range(8):
        answers = tmp_path / f"answers-{life}"
        with answers.open("wb") as sink:
            command = [sys.executable, "-c", _WRITER, folder, f"life{life}"]
            writer = subprocess.Popen(command, stdout=sink, env={**os.environ, **packages_env()})
            while not answers.stat().st_size:
                assert writer.poll() is None
                time.sleep(0.005)
            time.sleep(rng.uniform(0, 0.03))
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        told += [line for line in answers.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n")]

    with Spool(folder) as spool:
        found = [spool.read(entry) for entry in spool.entries()]
        assert {line.strip() for line in told} <= {each.event_id for each in found if each}
        assert all(each and each.content == each.event_id.encode() * 20 for each in found)
        assert spool.usage().files == len(found)
        assert len(told) > 8


def _packages() -> str:
    return str(Path(sys.modules["producers"].__path__[0]).parent)
