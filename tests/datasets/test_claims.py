"""Runs on one field know of each other: they share its samples, wait or refuse, and take over from the dead."""

import datetime
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, replace

import pytest

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.owners import GRACE, Owner

RUN = """
import sys
import fiftyone as fo
from fiftyone_latent_inr.datasets.claims import Claims
with Claims(fo.load_dataset(sys.argv[1]), "latent_inr", "fit", "share", lambda line, level: None) as claims:
    claims.settle("0123456789")
    assert all(claims.take(sample) for sample in sys.argv[2:])
    print("ready", flush=True)
    sys.stdin.read()
"""


def claims_of(dataset, if_busy="share", lines=None, key="latent_inr"):
    from fiftyone_latent_inr.datasets.claims import Claims

    said = [] if lines is None else lines
    return Claims(dataset, key, "fit", if_busy, lambda line, level: said.append(line))


def documents():
    from fiftyone_latent_inr.datasets import claims

    return list(claims._collection().find())


def test_another_process_is_known_and_taken_over_from(dataset):
    from fiftyone_latent_inr.datasets.claims import running

    first, second, third = dataset.values("id")
    assert running(dataset, "latent_inr") is None
    command = [sys.executable, "-c", RUN, dataset.name, first]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        while (said := other.stdout.readline()) != b"ready\n":  # FiftyOne may say something first
            assert said
        who = f"process {other.pid} on {platform.node()}"
        line = running(dataset, "latent_inr")
        assert line.startswith(f"a fit of dataset {dataset.name!r} is running since ") and line.endswith(f"({who})")
        assert running(dataset, "latent_inr_2") is None
        with pytest.raises(InputError, match=rf"is running since .*{who}\); wait for it"):
            claims_of(dataset, "refuse").__enter__()
        with claims_of(dataset) as mine, pytest.raises(InputError, match=rf"{who}\) with other settings"):
            mine.settle("abcdefghij")
        lines = []
        with claims_of(dataset, lines=lines) as mine:
            mine.settle("0123456789")
            assert not mine.take(first) and mine.take(second) and mine.take(second)
            assert mine.told() == f"1 video in the hands of {who}, and left to it" and lines == []
            with claims_of(dataset, key="another_field") as third_run:
                assert third_run.take(first)
            other.kill()
            other.wait()
            assert mine.take(first) and mine.told() == ""
            assert lines == [f"taken over from {who}, which has ended without a word"]
            mine.give_back(first)
        assert [found["token"] for found in documents()] and running(dataset, "latent_inr") is None
        lines = []
        with claims_of(dataset, "refuse", lines) as mine:
            assert len(lines) == 1 and lines[0].startswith("a fit that began at ") and who in lines[0]
            assert mine.take(third)
        assert documents() == []


def test_two_runs_of_one_process(dataset):
    """The App's server runs operators of several people in one process."""
    sample = dataset.first().id
    with claims_of(dataset) as one, claims_of(dataset) as other:
        assert one.take(sample) and not other.take(sample)
        one.give_back(sample)
        assert other.take(sample) and not one.take(sample)
    assert documents() == []


def test_waiting_for_the_other_to_end(dataset):
    import threading

    lines, one = [], claims_of(dataset)
    entering = threading.Thread(target=one.__enter__)
    entering.start()
    entering.join()
    threading.Timer(1.5, one.__exit__, (None, None, None)).start()
    with claims_of(dataset, "wait", lines):
        assert len(lines) == 1 and lines[0].endswith("; waiting for its end") and str(os.getpid()) in lines[0]


def test_a_thread_does_not_wait_for_itself(dataset):
    with claims_of(dataset) as one:
        with pytest.raises(InputError, match="from within it, so it would wait for ever"):
            claims_of(dataset, "wait").__enter__()
        with one.alone(), pytest.raises(InputError, match="from within it"):
            claims_of(dataset).__enter__()
        with one.alone():
            pass
    assert documents() == []


def test_a_listener_may_call_for_another_run(dataset, fit):
    """Even at the end of the first, of which it is told before the index is built."""
    inner, ended = [], []

    def listen(_, label):
        if label == "indexing" and not ended:
            ended.append(label)
            inner.append(fit(dataset.limit(1)))

    assert len(fit(dataset.limit(1), progress=listen).fitted) == 1
    assert [len(summary.skipped) for summary in inner] == [1]


def test_one_at_a_time(dataset):
    import threading

    inside, most, lock = [], [], threading.Lock()

    def work():
        with claims_of(dataset) as claims:
            for _ in range(3):
                with claims.alone():
                    with lock:
                        inside.append(1)
                        most.append(len(inside))
                    time.sleep(0.01)
                    with lock:
                        inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1 and len(most) == 9 and documents() == []


def test_a_run_of_another_machine_lives_while_it_gives_signs(dataset):
    from fiftyone_latent_inr.datasets import claims

    sample = dataset.first().id
    owner = asdict(replace(Owner.here(), host="elsewhere", place="elsewhere", process=1))
    with claims_of(dataset) as mine:
        assert mine.take(sample)
        claims._collection().update_many({}, {"$set": {"owner": owner, "token": "theirs"}})
        for name in ("run", "sample"):
            assert claims._collection().count_documents({"kind": name}) == 1
    with claims_of(dataset) as mine:
        assert not mine.take(sample) and "process 1 on elsewhere" in mine.told()
    old = {"$dateSubtract": {"startDate": "$$NOW", "unit": "second", "amount": GRACE + 1}}
    claims._collection().update_many({}, [{"$set": {"beat": old}}])
    assert claims.running(dataset, "latent_inr") is None
    with claims_of(dataset) as mine:
        assert mine.take(sample)
    assert documents() == []


def test_signs_of_life_go_on_and_end(dataset, monkeypatch):
    from pymongo.errors import AutoReconnect

    from fiftyone_latent_inr import owners
    from fiftyone_latent_inr.datasets import claims

    monkeypatch.setattr(owners, "BEAT", 0.02)
    run = claims_of(dataset)
    with run:
        claims._collection().update_many({}, {"$set": {"beat": datetime.datetime(1999, 1, 1)}})
        while documents()[0]["beat"].year < 2000:
            time.sleep(0.01)
        found = claims._collection

        def away():
            raise AutoReconnect("it is started anew")

        monkeypatch.setattr(claims, "_collection", away)
    monkeypatch.setattr(claims, "_collection", found)
    while documents():  # the database was away at the end: forgotten as soon as it answers
        time.sleep(0.01)


def test_a_database_without_the_right_to_note_runs(dataset, monkeypatch):
    from pymongo.errors import OperationFailure

    from fiftyone_latent_inr.datasets import claims

    def forbidden():
        raise OperationFailure("not authorized", 13)

    monkeypatch.setattr(claims, "_collection", forbidden)
    lines = []
    with claims_of(dataset, lines=lines) as mine:
        mine.settle("0123456789")
        with mine.alone():
            assert mine.take(dataset.first().id)
        mine.give_back(dataset.first().id)
    assert len(lines) == 1 and "cannot be told apart" in lines[0]


def test_a_fit_shares_with_another(dataset, fit, no_fit_of):
    """Another run has the first video in hand, and does the second before this one comes to it."""
    first, second, third = dataset.values("id")
    with claims_of(dataset) as other:
        assert other.take(first)
        done = no_fit_of(second)
        summary = fit(dataset)
        assert (summary.fitted, summary.skipped, summary.elsewhere, summary.failed) == ([third], [second], [first], [])
        assert "1 in the hands of another run" in summary.text() and done
    assert fit(dataset).fitted == [first]


@pytest.fixture
def no_fit_of(dataset, fit, monkeypatch):
    """Has a sample fitted by another run when this one takes its first."""
    from fiftyone_latent_inr.datasets.claims import Claims

    def arrange(sample):
        taken, take = [], Claims.take

        def first(self, sample_id):
            if not taken:
                taken.append(sample_id)
                assert fit(dataset.select(sample)).fitted == [sample]
            return take(self, sample_id)

        monkeypatch.setattr(Claims, "take", first)
        return taken

    return arrange


def test_a_fit_that_may_not_share(dataset, fit, tiny):
    with claims_of(dataset) as other:
        with pytest.raises(InputError, match="is running since"):
            fit(dataset, if_busy="refuse")
        other.settle("another")
        with pytest.raises(InputError, match="with other settings"):
            fit(dataset)
        with pytest.raises(InputError, match="if_busy"):
            fit(dataset, if_busy="sometimes")
    assert not dataset.has_field("latent_inr_path")


def test_a_folder_that_is_removed_ends_the_run_and_the_record_is_true(dataset, fit, tmp_path, monkeypatch):
    import shutil

    from fiftyone_latent_inr.datasets import runs
    from fiftyone_latent_inr.datasets.fit.job import FitJob

    keep, kept = FitJob._keep, []

    def remove(self, item, result):
        keep(self, item, result)
        kept.append(item.target.sample_id)
        if len(kept) == 2:
            shutil.rmtree(tmp_path / "linr")

    monkeypatch.setattr(FitJob, "_keep", remove)
    with pytest.raises(InputError, match=r"linr is gone; with what was fitted before; the same call does it again"):
        fit(dataset)
    assert not (tmp_path / "linr").exists()
    outcomes = runs.read_outcomes(dataset, "latent_inr")
    assert [outcomes[sample]["status"] for sample in kept] == ["failed", "failed"]
    monkeypatch.undo()
    assert len(fit(dataset).fitted) == 3
