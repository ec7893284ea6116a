"""The record of a run, under kills, others' deletions, others' runs and a database that goes away.

The jobs here only set a field: what is looked at is what is kept of them.
"""

import contextlib
import json
import logging
import os

import fiftyone as fo
import fiftyone.core.odm as foo
import pymongo.errors
import pytest
from bson import ObjectId
from gridfs import GridFS
from pymongo.collection import Collection

from fiftyone_latent_inr import InputError
from fiftyone_latent_inr.datasets import job as jobs
from fiftyone_latent_inr.datasets import journal, patience, runs
from fiftyone_latent_inr.datasets.fields import FieldNames
from fiftyone_latent_inr.datasets.progress import Reporter
from fiftyone_latent_inr.datasets.samples import list_targets
from fiftyone_latent_inr.datasets.writing import save

KEY = "latent_inr"
WRITES = ("insert_one", "insert_many", "update_one", "update_many", "delete_one", "delete_many", "replace_one")


class Killed(BaseException):
    """The process is gone: nothing that it would still do happens."""


class Unclaimed:
    """No other run has anything in hand."""

    met = ()

    def take(self, _):
        return True

    def give_back(self, _):
        pass

    def settle(self, _):
        pass

    def alone(self):
        return contextlib.nullcontext()


class Toy(jobs.Job):
    """Sets a field of each sample; `during` is called with the sample's id while its turn is."""

    VERB = "fitted"

    def __init__(self, dataset, during=None, concluding=None):
        settled = {"dataset": dataset, "key": KEY, "digest": "d", "claims": Unclaimed()}
        super().__init__(**settled, skip_failures=True, reporter=Reporter(False))
        self.during, self.concluding = during or (lambda _: None), concluding or (lambda _: None)

    def _examine(self, target):
        stored = self.dataset[target.sample_id].get_field(KEY) if KEY in self.dataset.get_field_schema() else None
        return None if stored else jobs.Item(target)

    def _make(self, item):
        self.during(item.target.sample_id)
        return jobs.Result(__file__, False)  # one that stays

    def _keep(self, item, result):
        if KEY not in self.dataset.get_field_schema():
            self.dataset.add_sample_field(KEY, fo.StringField)
        sample = self.dataset[item.target.sample_id]
        sample[KEY] = result.path
        save(sample)

    def _fields(self):
        return {KEY}

    def _conclude(self, status):
        self.concluding(status)

    def _config(self):
        return {"brain_key": KEY}

    def go(self, samples=None):
        return self.run(list_targets(samples or self.dataset, self.dataset, FieldNames.of(KEY)))


@pytest.fixture
def flat(make_dataset, tmp_path):
    """Four samples, whose files nobody reads."""
    dataset = make_dataset([tmp_path / f"{k}.mp4" for k in range(4)])
    yield dataset
    db = foo.get_db_conn()
    for name in (journal.COLLECTION, "fs.files", "fs.chunks"):
        db[name].delete_many({})
    db.runs.delete_many({"_dataset_id": dataset._doc.id if not dataset.deleted else None})
    journal._live.clear()


def statuses(dataset):
    return {outcome["status"] for outcome in runs.read_outcomes(dataset, KEY).values()}


def check_is_whole(dataset, ids=None):
    """All of the record is there and FiftyOne reads it; nothing lies about."""
    db = foo.get_db_conn()
    dataset.reload()
    assert set(runs.read_outcomes(dataset, KEY)) == set(dataset.values("id") if ids is None else ids)
    found = dataset.load_run_results(KEY, cache=False)
    assert found.outcomes == runs.read_outcomes(dataset, KEY)
    assert runs.read_config(dataset, KEY)["status"] == "done" == dataset.get_run_info(KEY).config.status
    assert list(db[journal.COLLECTION].find()) == []
    named = db.runs.distinct("results")
    assert set(db.fs.files.distinct("_id")) == set(db.fs.chunks.distinct("files_id")) == set(named)
    assert [run["_id"] for run in db.runs.find({"_dataset_id": dataset._doc.id})] == [dataset._doc.runs[KEY].id]


@pytest.fixture
def killed(monkeypatch):
    """Runs a job that is gone after its k-th write to the database; whether it came so far."""

    def kill(job, after):
        with monkeypatch.context() as patch:
            count = 0

            def counting(write):
                def do(self, *args, **kwargs):
                    nonlocal count
                    if count >= after:
                        raise Killed
                    result = write(self, *args, **kwargs)
                    count += 1
                    if count >= after:
                        raise Killed
                    return result

                return do

            for name in WRITES:
                patch.setattr(Collection, name, counting(getattr(Collection, name)))
            with contextlib.suppress(Killed):
                job.go()
        journal._live.clear()
        return count >= after

    return kill


def test_a_kill_after_any_write_loses_and_leaves_nothing(flat, killed):
    Toy(flat).go(flat.limit(1))  # results to replace
    names = sorted(flat.values("id"))
    after = 1
    while True:
        flat.set_values(KEY, [None] * 4)
        came = killed(Toy(flat), after)
        kept = {i for i, path in zip(*flat.values(["id", KEY]), strict=True) if path}
        flat.reload()
        assert len(set(runs.read_outcomes(flat, KEY)) | {names[0]}) >= len(kept) - 1  # all but the one in hand
        Toy(flat).go()
        check_is_whole(flat)
        if not came:
            break
        after += 1
    assert after > 15  # it was killed everywhere, and not once


def test_a_first_run_that_is_killed_leaves_nothing_either(make_dataset, flat, killed, tmp_path):
    after, came = 1, True
    while came:
        dataset = make_dataset([tmp_path / "a.mp4", tmp_path / "b.mp4"])
        came = killed(Toy(dataset), after)
        dataset.reload()
        Toy(dataset).go()
        check_is_whole(dataset)
        dataset.delete()
        after += 1
    assert after > 10


def test_a_write_that_is_done_after_it_was_interrupted_is_found_by_the_next_run(flat, monkeypatch):
    """As MongoDB does a write that is on its way when Ctrl-C is pressed, whatever the run then still does."""
    Toy(flat).go(flat.limit(1))  # results to replace
    after, came = 1, True
    while came:
        late, count = [], 0

        def interrupted(write, late=late, after=after):
            def do(self, *args, **kwargs):
                nonlocal count
                count += 1
                if count == after:
                    late.append(lambda: write(self, *args, **kwargs))
                    raise KeyboardInterrupt
                return write(self, *args, **kwargs)

            return do

        flat.set_values(KEY, [None] * 4)
        with monkeypatch.context() as patch:
            for name in WRITES:
                patch.setattr(Collection, name, interrupted(getattr(Collection, name)))
            with contextlib.suppress(KeyboardInterrupt):
                Toy(flat).go()
        came = bool(late)
        for write in late:
            write()
        flat.reload()
        Toy(flat).go()
        check_is_whole(flat)
        after += 1
    assert after > 15


def test_what_is_done_is_on_record_before_the_next_begins(flat):
    seen = []
    Toy(flat, during=lambda _: seen.append(len(runs.read_outcomes(flat, KEY)))).go()
    assert seen == [0, 1, 2, 3]


def test_the_cost_of_a_record_does_not_grow_with_the_dataset(flat, monkeypatch):
    """Between two samples only the new outcome and the run's document are written."""
    Toy(flat).go(flat.limit(3))
    written = []
    for name in WRITES:
        write = getattr(Collection, name)

        def counting(self, *args, write=write, **kwargs):
            written.append(self.name)
            return write(self, *args, **kwargs)

        monkeypatch.setattr(Collection, name, counting)
    monkeypatch.setattr(jobs, "_RECORD_EVERY", -1.0)
    Toy(flat, concluding=lambda _: written.append("end")).go()
    during = written[: written.index("end")]
    assert "fs.chunks" not in during and "fs.chunks" in written


def test_runs_at_the_same_time_add_to_each_other(flat):
    first, *rest = flat.values("id")
    others = []

    def meanwhile(_):
        if not others:
            others.append(Toy(flat).go(flat.select(rest[1:])))

    Toy(flat, during=meanwhile).go(flat.select([first, rest[0]]))
    assert len(others[0].made) == 2
    check_is_whole(flat)


def test_a_run_that_ends_between_reading_and_writing_is_not_overwritten(flat, monkeypatch):
    from fiftyone_latent_inr.datasets import run_store

    first, *rest = flat.values("id")
    write = run_store.write

    def slow(*args):
        monkeypatch.setattr(run_store, "write", write)
        Toy(flat).go(flat.select(rest))
        return write(*args)

    monkeypatch.setattr(run_store, "write", slow)
    Toy(flat).go(flat.select(first))
    check_is_whole(flat)


def test_samples_that_are_gone_leave_the_record(flat):
    Toy(flat).go()
    first, *rest = flat.values("id")
    flat.delete_samples(first)
    Toy(flat).go()
    check_is_whole(flat, rest)


def test_a_sample_that_is_deleted_meanwhile_is_left_out_with_a_line(flat, caplog):
    ids = flat.values("id")
    deleted = {ids[1]: ids[1], ids[2]: ids[3]}  # one in hand, one before its turn

    def meanwhile(i):
        if i in deleted:
            foo.get_db_conn()[flat._sample_collection_name].delete_one({"_id": ObjectId(deleted[i])})

    with caplog.at_level(logging.WARNING, "fiftyone_latent_inr"):
        tally = Toy(flat, during=meanwhile).go()
    assert tally.made == [ids[0], ids[2]] and not tally.failed
    assert [name for name in ("1.mp4", "3.mp4") if f"{name}: its sample has been deleted" in caplog.text] == [
        "1.mp4", "3.mp4"
    ]  # fmt: skip
    check_is_whole(flat, [ids[0], ids[2]])


def test_a_dataset_that_is_deleted_meanwhile_ends_the_run_in_one_line(flat):
    done = []

    def meanwhile(i):
        done.append(i)
        if len(done) == 2:
            foo.delete_dataset(flat.name)

    with pytest.raises(InputError, match=r"dataset '.*' has been deleted while this run went on") as caught:
        Toy(flat, during=meanwhile, concluding=pytest.fail).go()
    assert len(done) == 2 and "\n" not in str(caught.value)
    flat._deleted = True
    assert foo.get_db_conn()[journal.COLLECTION].count_documents({"owner": {"$exists": True}}) == 0


def test_a_dataset_that_this_process_deletes_ends_the_run_too(flat):
    with pytest.raises(InputError, match="has been deleted while this run went on"):
        Toy(flat, during=lambda _: flat.delete()).go()


def test_a_run_that_is_deleted_meanwhile_is_made_anew(flat):
    ids = flat.values("id")

    def meanwhile(i):
        if i == ids[2]:
            foo.delete_run(flat.name, KEY)

    Toy(flat, during=meanwhile).go()
    check_is_whole(flat)


def test_fields_that_are_deleted_meanwhile_are_made_anew_and_said(flat, caplog):
    ids = flat.values("id")

    def meanwhile(i):
        if i == ids[1]:  # as another process does it: this one's dataset does not know
            db = foo.get_db_conn()
            db.datasets.update_one({"_id": flat._doc.id}, {"$pull": {"sample_fields": {"name": KEY}}})
            db[flat._sample_collection_name].update_many({}, {"$unset": {KEY: 1}})

    with caplog.at_level(logging.WARNING, "fiftyone_latent_inr"):
        Toy(flat, during=meanwhile).go()
    flat.reload()
    assert [bool(path) for path in flat.values(KEY)] == [False, True, True, True]
    assert "field 'latent_inr' has been deleted" in caplog.text
    assert len(Toy(flat).go().made) == 1


def away(monkeypatch, target, name, times):
    """Makes a function fail as it does while the database is away, so many times."""
    real, left = getattr(target, name), [times]

    def call(*args, **kwargs):
        if left[0] > 0:
            left[0] -= 1
            raise pymongo.errors.AutoReconnect("connection closed")
        return real(*args, **kwargs)

    monkeypatch.setattr(target, name, call)
    return left


@pytest.mark.parametrize("place", ["sample", "journal", "look", "end"])
def test_a_database_that_is_away_for_a_while_loses_no_sample(flat, monkeypatch, caplog, place):
    from fiftyone_latent_inr.datasets import run_store

    monkeypatch.setattr(patience, "_FIRST", 0.001)
    target, name = {
        "sample": (fo.Sample, "save"),
        "journal": (journal.Journal, "add"),
        "look": (journal.Journal, "has_sample"),
        "end": (run_store, "write"),
    }[place]
    job, left = Toy(flat), []
    job.during = lambda _: left or left.append(away(monkeypatch, target, name, 2))
    with caplog.at_level(logging.INFO, "fiftyone_latent_inr"):
        tally = job.go()
    assert len(tally.made) == 4 and not tally.failed and left[0] == [0]
    assert caplog.text.count("does not answer; waiting") == 1 == caplog.text.count("answers again")
    check_is_whole(flat)


def test_a_sample_whose_write_failed_can_be_written_again(flat, monkeypatch):
    """FiftyOne dates it first, and takes the date for a forbidden edit the next time."""
    sample = flat.first()
    flat.add_sample_field(KEY, fo.StringField)
    sample[KEY] = "/a"
    with monkeypatch.context() as patch:
        left = away(patch, Collection, "update_one", 1)
        with pytest.raises(pymongo.errors.AutoReconnect):
            save(sample)
    assert left == [0]
    sample[KEY] = "/b"
    save(sample)
    flat.reload()
    assert flat.first()[KEY] == "/b"


def test_a_database_that_stays_away_stops_the_run_in_one_line(flat, monkeypatch):
    monkeypatch.setattr(patience, "LIMIT", 0.0)
    job = Toy(flat, concluding=pytest.fail)
    job.during = lambda _: away(monkeypatch, journal.Journal, "add", 10**9)
    with pytest.raises(InputError, match=r"database has not answered for .*; start it, and run this again"):
        job.go()
    monkeypatch.undo()
    Toy(flat).go()
    check_is_whole(flat)


@pytest.mark.parametrize(("error", "status"), [(InputError("no"), "failed"), (KeyboardInterrupt(), "interrupted")])
def test_done_is_said_when_the_index_stands(flat, error, status):
    seen = []

    def concluding(how):
        seen.append((how, runs.read_config(flat, KEY)["status"]))
        raise error

    with pytest.raises(type(error)):
        Toy(flat, concluding=concluding).go()
    assert seen == [("done", "running")] and runs.read_config(flat, KEY)["status"] == status
    Toy(flat).go()
    check_is_whole(flat)


def test_a_second_interrupt_while_the_run_ends_harms_nothing(flat, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    for name in ("end", "begin", "close"):
        with monkeypatch.context() as patch:
            patch.setattr(journal.Journal, name, lambda self, *_: stop(self))
            with pytest.raises(KeyboardInterrupt):
                Toy(flat, during=stop).go()
        journal._live.clear()
    Toy(flat).go()
    check_is_whole(flat)


def test_notes_that_a_closed_run_has_left_go(flat):
    """An interrupted write may be done by the server after the run has looked for it."""
    db = foo.get_db_conn()
    file = GridFS(db).put(b'{"cls": "fiftyone.core.runs.RunResults"}')
    db[journal.COLLECTION].insert_one({"begun": ObjectId(), "file": file})
    Toy(flat).go()
    check_is_whole(flat)


def test_a_user_who_may_not_write_records_is_told_in_one_line(flat, monkeypatch):
    def refuse(*_, **__):
        raise pymongo.errors.OperationFailure("not authorized on fiftyone to execute command")

    monkeypatch.setattr(journal, "sweep", refuse)
    with pytest.raises(InputError, match=r"no record of the run 'latent_inr' can be kept .not authorized"):
        Toy(flat, during=pytest.fail).go()


def test_what_others_have_left_is_left_to_them(flat, killed):
    db, others = foo.get_db_conn(), ObjectId()
    file = GridFS(db).put(b'{"cls": "fiftyone.core.runs.RunResults"}')  # made by this process, but before its run
    foreign = ObjectId(others.binary[:4] + b"other" + others.binary[9:])
    GridFS(db).put(b'{"cls": "fiftyone.core.runs.RunResults"}', _id=foreign)
    db.runs.insert_one({"_id": foreign, "_dataset_id": flat._doc.id, "key": KEY, "config": {"method": KEY}})
    assert killed(Toy(flat), 8)
    mine = GridFS(db).put(b"of somebody else in this process")
    db.runs.insert_one({"_dataset_id": flat._doc.id, "key": "theirs", "config": {"method": "theirs"}})
    Toy(flat).go()
    assert {file, foreign, mine} <= set(db.fs.files.distinct("_id"))
    assert {foreign} < set(db.runs.distinct("_id", {"_dataset_id": flat._doc.id}))
    assert db.runs.count_documents({"_dataset_id": flat._doc.id}) == 3


def test_the_record_travels_with_clones(flat):
    Toy(flat).go()
    copy = flat.clone()
    try:
        # a clone's samples have ids of their own
        assert len(runs.read_outcomes(copy, KEY)) == 4
        Toy(copy).go()
        assert set(runs.read_outcomes(copy, KEY)) == set(copy.values("id"))
        assert set(runs.read_outcomes(flat, KEY)) == set(flat.values("id"))
    finally:
        copy.delete()


def test_the_results_are_those_that_fiftyone_writes(flat):
    Toy(flat).go()
    db = foo.get_db_conn()
    mine = json.loads(GridFS(db).get(db.runs.find_one({"key": KEY})["results"]).read())
    flat.save_run_results(KEY, flat.init_run_results(KEY, outcomes=mine["outcomes"]), overwrite=True)
    flat.reload()
    assert json.loads(GridFS(db).get(db.runs.find_one({"key": KEY})["results"]).read()) == mine


def test_text_that_is_not_utf8_is_recorded(flat):
    def fail(_):
        raise InputError("\udcff")

    tally = Toy(flat, during=fail).go()
    assert len(tally.failed) == 4 and statuses(flat) == {"failed"}


def test_an_estimated_count_decides_nothing(flat, monkeypatch):
    from fiftyone_latent_inr.datasets.samples import dataset_of, number_of

    monkeypatch.setattr(fo.Dataset, "_estimated_count", lambda *_, **__: 0)  # as after an unclean end of mongod
    assert dataset_of(flat) is flat and dataset_of(flat.view()) is flat and number_of(flat) == 4


def test_a_second_run_reads_no_file_that_is_untouched(dataset, fit, monkeypatch):
    """Neither the videos nor what was fitted of them, however large they are."""
    from fiftyone_latent_inr.datasets.fit import job

    fit(dataset, teacher=None)
    with monkeypatch.context() as patch:
        patch.setattr(job, "content_of", pytest.fail)
        patch.setattr(job, "read_fitted", pytest.fail)
        assert len(fit(dataset, teacher=None).skipped) == 3
    os.utime(dataset.first().filepath)  # read again, found to be the same, and noted
    assert len(fit(dataset, teacher=None).skipped) == 3
    with monkeypatch.context() as patch:
        patch.setattr(job, "content_of", pytest.fail)
        assert len(fit(dataset, teacher=None).skipped) == 3
    foo.delete_run(dataset.name, KEY)  # the record is mended from what the samples say
    dataset.reload()
    assert len(fit(dataset, teacher=None).skipped) == 3
    outcomes = runs.read_outcomes(dataset, KEY)
    assert set(outcomes) == set(dataset.values("id")) and statuses(dataset) == {"adopted"}


def test_a_field_that_another_thread_is_declaring_is_not_taken_for_deleted(flat, monkeypatch):
    job = Toy(flat)
    lines = []
    monkeypatch.setattr(job.reporter, "note", lambda line, *_: lines.append(line))
    flat.add_sample_field(KEY, fo.StringField)
    fields = journal.Journal.fields
    answers = [set()]  # the first look is a moment too early
    monkeypatch.setattr(journal.Journal, "fields", lambda self: answers.pop() if answers else fields(self))
    job.go(flat.limit(1))
    assert not answers and not [line for line in lines if "has been deleted" in line]
