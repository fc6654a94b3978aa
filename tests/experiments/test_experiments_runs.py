"""Figures, rules, jobs, the file of results, and processes."""

import dataclasses
import functools
import json
import math
import os
import subprocess
import sys
import time

import numpy as np
import pytest

import nbt
from nbt.errors import DataError
from nbt.experiments import (
    AS_RUNS,
    FIGURES,
    RULES,
    SEVENTH,
    SOURCES,
    Figure,
    Limits,
    RunError,
    Source,
    Study,
    report,
)
from nbt.experiments.curves import median
from nbt.experiments.jobs import Job, execute, plan
from nbt.experiments.sources import anbn
from nbt.experiments.store import Store
from nbt.experiments.workers import Workers

SMALL = Source("small", "small words", functools.partial(anbn, 1, 4), nbt.LeakyRNN(5), file=500)
TINY = Limits(budget=None, steps=300)
FIGURE = Figure("small", "Small", SMALL, (RULES["nobacktrack"], RULES["tbptt"]))


def job(rule="nobacktrack", seed=0, limits=TINY, source=SMALL):
    return Job(source, rule and RULES[rule], seed, limits, 3)


# ---- what is run --------------------------------------------------------------------------------


def described(name):
    return RULES[name].build(nbt.LeakyRNN(20), 3, seed=0).describe()


@pytest.mark.parametrize("rank", [1, 2, 10])
def test_the_papers_settings_to_the_letter(rank):
    literal = {"rank": rank, "blocks": 1, "exact_self": False, "dtype": "float64"}
    kalman = described(f"kalman-{rank}")
    assert {**literal, "norm": "kalman"}.items() <= kalman.items()
    root = {"kind": "InverseSqrt", "scale": 1.0}
    paper = {"kind": "Kalman", "decay": root, "prior": 1.0, "readout_prior": None, "outlier": None}
    assert paper.items() <= kalman["optimizer"].items()
    for suffix, rate in (("", 1.0), ("-0.03", 0.03)):
        euclidean = described(f"euclidean-{rank}{suffix}")
        assert {**literal, "norm": "euclidean"}.items() <= euclidean.items()
        assert euclidean["optimizer"] == {"kind": "SGD", "rate": {**root, "scale": rate}}


def test_what_the_paper_compares_with():
    root = {"kind": "InverseSqrt", "scale": 1.0}
    paper = {"kind": "Kalman", "decay": root, "prior": 1.0, "readout_prior": None, "outlier": None}
    assert paper.items() <= described("rtrl-kalman")["optimizer"].items()
    assert described("rtrl-euclidean")["optimizer"] == {"kind": "SGD", "rate": root}
    truncated = described("tbptt-paper")
    assert truncated["window"] == 15
    assert truncated["optimizer"] == {"kind": "SGD", "rate": root}


def test_the_packages_defaults_are_every_default():
    cell, readout = nbt.LeakyRNN(20), nbt.Softmax(3)
    assert described("nobacktrack") == nbt.NoBackTrack(cell, readout).describe()
    assert described("rtrl") == nbt.RTRL(cell, readout).describe()
    assert described("tbptt") == nbt.TruncatedBPTT(cell, readout).describe()


def test_figures_are_those_of_the_paper():
    papers = [FIGURES[f"fig{i}"] for i in range(1, 7)]
    sources = [figure.source.name for figure in papers]
    assert sources == ["music"] * 4 + ["anbn", "shakespeare"]
    for figure in papers:
        assert figure.source.cell.units == 20
        assert isinstance(figure.source.cell, nbt.LeakyRNN) == (figure.name == "fig5")
        assert any(rule.origin == "package" for rule in figure.rules)
        ranks = [rule.choices["rank"] for rule in figure.rules if "rank" in rule.choices]
        assert ranks == [1, 2, 10]
    assert SOURCES["anbn"].lines == (("aⁿbᵖ", pytest.approx(2 * 5 / 35)),)
    assert SOURCES["anbn"].open(0).entropy_rate == pytest.approx(5 / 35)
    symbols = nbt.datasets.anbn(1, 32, seed=3).read(99)
    assert SOURCES["anbn"].open(3).read(99).tolist() == symbols.tolist()


def test_our_figures_have_each_rule_with_each_optimizer_and_nothing_else_that_differs():
    assert list(FIGURES)[6:9] == list(SOURCES)
    for name in SOURCES:
        figure = FIGURES[name]
        assert (figure.source, figure.note) == (SOURCES[name], "")
        pairs: dict[str, list] = {}
        for rule in figure.rules:
            pairs.setdefault(rule.method, []).append(rule)
        assert list(pairs) == ["NoBackTrack", "RTRL", "TBPTT-5", "TBPTT-15", "TBPTT-50"]
        for two in pairs.values():
            assert [rule.optimized for rule in two] == ["Kalman 0.1/√t", "SGD 1/√t"]
            one, other = (described(rule.name) for rule in two)
            assert {key for key in one if one[key] != other[key]} == {"optimizer"}
    for name, window in (("tbptt-5", 5), ("tbptt-kalman", 15), ("tbptt-50-kalman", 50)):
        assert described(name)["window"] == window


def test_figure_7_has_each_rule_with_each_optimizer_for_as_many_units_with_gates():
    assert list(FIGURES)[9:] == list(SEVENTH) == [f"fig7-{name}" for name in SOURCES]
    for name, part in zip(SOURCES, SEVENTH, strict=True):
        figure, plain = FIGURES[part], SOURCES[name]
        assert figure.source == dataclasses.replace(
            plain, name=f"{name}-lstm", cell=nbt.LSTM(plain.cell.units)
        )
        rules: dict[str, list] = {}
        for rule in figure.rules:
            rules.setdefault(rule.method, []).append(rule)
        assert list(rules) == [
            "NoBackTrack rank 0",
            "NoBackTrack rank 1",
            "TBPTT-10",
            "RTRL every 10",
        ]
        for method, three in rules.items():
            said = [rule.optimized for rule in three]
            assert said == ["Adam 0.006/√(1+t/20000)", "Kalman 0.1/√t", "SGD 1/√t"]
            trainers = [rule.build(figure.source.cell, 3, seed=4) for rule in three]
            first, *others = [trainer.describe() for trainer in trainers]
            for other in others:
                assert {key for key in first if first[key] != other[key]} == {"optimizer"}
            assert first["readout_optimizer"]["decay"]["scale"] == 0.02
            assert first.get("every", first.get("window")) == 10
            assert first.get("rank") == (int(method[-1]) if "rank" in method else None)
    default = nbt.NoBackTrack(nbt.LSTM(20), nbt.Softmax(3)).describe()
    assert RULES["nobacktrack-0-adam"].build(nbt.LSTM(20), 3, seed=0).describe() == default


@pytest.mark.parametrize(
    "cell", [nbt.LSTM(4), nbt.GRU(4), nbt.MGU(4), nbt.LRU(4), nbt.LeakyRNN(4)], ids=repr
)
def test_a_study_of_ones_own_cells(cell, tmp_path):
    """Equal steps and equal time, in Python: cells with gates, and others with windows."""
    source = Source("mine", "mine", functools.partial(anbn, 1, 4), cell, file=100)
    rules = tuple(RULES[name] for name in ("nobacktrack-0-adam", "nobacktrack-1", "tbptt-10"))
    figure = Figure("mine", "mine", source, rules)
    study = Study([figure], 2, Limits(None, 400), tmp_path)
    study.run(processes=1)
    lines = report.rows(figure, study.evidence())
    assert [(line.runs, line.symbols) for line in lines] == [(2, 400)] * 3
    for line in lines:
        assert line.same_symbols == line.final < math.log2(3)
        assert line.same_time <= line.final * 2
    report.write(study, "mine", "a test")
    assert (tmp_path / "mine.png").stat().st_size > 10_000


def test_every_rule_has_adam_too():
    for name, kind in (("nobacktrack-adam", nbt.NoBackTrack), ("tbptt-50-adam", nbt.TruncatedBPTT)):
        trainer = RULES[name].build(nbt.RNN(4), 3, seed=0)
        assert isinstance(trainer, kind)
        assert isinstance(trainer.optimizer, nbt.Adam)
        record = execute(job(name, seed=0))
        assert record["step"][-1] == 300
        assert record["average_bits"][-1] < math.log2(3)


def test_a_run_that_two_figures_share_is_made_once():
    jobs = plan([FIGURES["fig3"], FIGURES["fig4"]], 2, Limits(1.0))
    names = [(job.rule and job.rule.name, job.seed) for job in jobs]
    assert len(names) == len(set(names))
    rules = {rule.name for name in ("fig3", "fig4") for rule in FIGURES[name].rules}
    assert len(jobs) == 1 + 2 * len(rules)
    assert names.count((None, 0)) == 1


# ---- one job ------------------------------------------------------------------------------------


def test_a_run_is_what_nbt_train_would_do():
    record = execute(job("kalman-2", seed=7))
    trainer = RULES["kalman-2"].build(SMALL.cell, 3, seed=7)
    losses = trainer.learn(SMALL.open(7).read(300)) / math.log(2)
    assert record["step"][-1] == 300
    assert record["average_bits"][-1] == pytest.approx(losses.mean(), rel=1e-8)
    at = record["step"].index(64)
    assert record["average_bits"][at] == pytest.approx(losses[:64].mean(), rel=1e-8)
    assert (record["stopped"], record["diverged_at"]) == ("steps", None)
    assert record["trainer"] == RULES["kalman-2"].build(SMALL.cell, 3, seed=7).describe()
    assert json.loads(json.dumps(record)) == record


def test_the_budget_is_cpu_time():
    start = time.thread_time()
    record = execute(job(limits=Limits(budget=0.2)))
    spent = time.thread_time() - start
    assert record["stopped"] == "seconds"
    assert spent >= 0.2
    # the last row's time is its step's; what passes after it, up to the look at the clock, counts
    assert 0.1 < record["seconds"][-1] < min(0.5, spent)


def test_every_rule_has_the_same_budget():
    records = [execute(job(rule, limits=Limits(budget=0.1))) for rule in ("tbptt", "kalman-10")]
    fast, slow = (record["step"][-1] for record in records)
    assert fast > 2 * slow
    assert all(0.05 < record["seconds"][-1] < 0.4 for record in records)


def test_divergence_is_a_result():
    wild = nbt.experiments.Rule("wild", "wild", nbt.RTRL, nbt.SGD(nbt.Constant(1e30)))
    record = execute(Job(SMALL, wild, 0, TINY, 3))
    assert record["stopped"] == "divergence"
    assert 0 <= record["diverged_at"] < 300
    assert np.isfinite(record["average_bits"]).all()
    json.dumps(record, allow_nan=False)


def test_baselines():
    record = execute(job(None))
    assert record["symbols"] == 500
    assert set(record["bits"]) == {"gzip", "bzip2", "xz", "CTW"}
    assert all(0.05 < bits < 8 for bits in record["bits"].values())
    assert record["entropy_rate"] == pytest.approx(SMALL.open(0).entropy_rate)


def test_a_stream_that_ends_ends_a_run():
    text = functools.partial(_ending, 100)
    source = Source("text", "text", text, nbt.RNN(4))
    record = execute(Job(source, RULES["tbptt"], 0, Limits(5.0), 3))
    assert (record["stopped"], record["step"][-1]) == ("end", 100)
    assert execute(Job(source, None, 0, TINY, 3))["symbols"] == 100


def _ending(length, seed):
    return nbt.streams.symbols(np.arange(length) % 3)


# ---- the file of results ------------------------------------------------------------------------


def test_records_are_found_again(tmp_path):
    path = tmp_path / "results.jsonl"
    store = Store(path)
    first = execute(job())
    store.add(first)
    store.add(execute(job(seed=1)))
    for again in (store, Store(path)):
        assert len(again) == 2
        assert again.get(job())["average_bits"] == first["average_bits"]
        assert again.get(job(seed=1))["average_bits"] != first["average_bits"]


@pytest.mark.parametrize(
    "other",
    [
        job(seed=2),
        job("tbptt"),
        job(limits=Limits(None, 301)),
        job(limits=Limits(1.0, 300)),
        job(None),
        Job(SMALL, nbt.experiments.Rule("nobacktrack", "", nbt.RTRL, nbt.SGD()), 0, TINY, 3),
        job(source=Source("small", "", SMALL.open, nbt.LeakyRNN(6))),
        job(source=Source("small", "", SMALL.open, SMALL.cell, version="another file")),
        job(source=Source("other", "", SMALL.open, SMALL.cell)),
    ],
)
def test_a_record_stands_for_its_own_job_only(tmp_path, other):
    store = Store(tmp_path / "results.jsonl")
    store.add(execute(job()))
    assert store.get(job()) is not None
    assert store.get(other) is None


def test_a_line_that_was_cut_off_is_dropped(tmp_path):
    path = tmp_path / "results.jsonl"
    store = Store(path)
    store.add(execute(job()))
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:-20])
    store = Store(path)
    assert len(store) == 1
    store.add(execute(job(seed=1)))
    assert path.read_bytes().startswith(whole)
    assert len(Store(path)) == 2


@pytest.mark.parametrize("line", ["hello", "[]", "{}", '{"format": "nbt-results", "schema": 99}'])
def test_another_file_is_refused(tmp_path, line):
    path = tmp_path / "results.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DataError, match="line 1"):
        Store(path)
    assert path.read_text() == line + "\n"


# ---- processes ----------------------------------------------------------------------------------


def test_jobs_are_done_in_other_processes():
    with Workers(math.sqrt, 2) as workers:
        done = [done for done in workers.run([1.0, 4.0, 9.0, 16.0, 25.0]) if done]
    assert {d.job: d.result for d in done} == {1.0: 1.0, 4.0: 2.0, 9.0: 3.0, 16.0: 4.0, 25.0: 5.0}
    assert not any(d.failure for d in done)


def test_a_job_that_fails_says_so_and_the_others_go_on():
    with Workers(math.sqrt, 1) as workers:
        done = {d.job: d for d in workers.run([4.0, -1.0, 9.0]) if d}
    assert (done[4.0].result, done[9.0].result) == (2.0, 3.0)
    assert "ValueError" in done[-1.0].failure


def test_a_process_that_dies_says_so_and_the_others_go_on():
    with Workers(os._exit, 1) as workers:
        done = [d for d in workers.run([3, 4]) if d]
    assert [d.failure for d in done] == [f"its process ended with exit code {i}" for i in (3, 4)]


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc")
def test_workers_end_with_a_killed_parent(tmp_path):
    """In the midst of a job, too: nobody is left who could end them."""
    program = tmp_path / "program.py"
    program.write_text(
        "import time\nfrom nbt.experiments.workers import Workers\n"
        "if __name__ == '__main__':\n"
        "    with Workers(time.sleep, 2) as workers:\n"
        "        for _ in workers.run([60.0, 60.0]):\n"
        "            print(*(p.pid for p in workers._processes.values()), flush=True)\n"
    )
    with subprocess.Popen([sys.executable, program], stdout=subprocess.PIPE, text=True) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(workers) == 2
        assert all(map(alive, workers))
        parent.kill()
    until = time.monotonic() + 30
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(pid):
    """Is there such a process, and not only what is left of one?"""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_no_process_is_left_behind():
    start = time.monotonic()
    with Workers(time.sleep, 2) as workers:
        for done in workers.run([30.0, 30.0]):
            assert done is None
            assert len(workers.running()) == 2
            break
        processes = list(workers._processes.values())
    assert not any(process.is_alive() for process in processes)
    assert time.monotonic() - start < 10


# ---- all of it ----------------------------------------------------------------------------------


def test_a_study_keeps_what_is_done_and_makes_the_rest(tmp_path):
    study = Study([FIGURE], 2, TINY, tmp_path)
    assert len(study.left()) == len(study.jobs) == 5
    study.store.add(execute(study.jobs[1]))
    assert study.jobs[1] not in study.left()
    seen = []
    study.run(2, lambda workers, done: seen.append(done))
    assert len([done for done in seen if done]) == 4
    assert study.left() == []
    again = Study([FIGURE], 2, TINY, tmp_path)
    assert again.left() == []
    evidence = again.evidence()
    assert {name: len(c) for name, c in evidence.runs.items()} == {
        ("small", "nobacktrack"): 2,
        ("small", "tbptt"): 2,
    }
    compressors, rates = {"gzip", "bzip2", "xz", "CTW"}, {"entropy", "without memory"}
    assert set(evidence.lines["small"]) == compressors | rates
    alone = RULES["tbptt"].build(SMALL.cell, 3, 1).learn(SMALL.open(1).read(300)).mean()
    last = evidence.runs["small", "tbptt"][1]
    assert last.final == pytest.approx(alone / math.log(2), rel=1e-6)


def test_compressors_read_as_much_as_every_run(tmp_path):
    source = dataclasses.replace(SMALL, file=AS_RUNS)
    figure = dataclasses.replace(FIGURE, source=source)
    study = Study([figure], 2, Limits(budget=0.05), tmp_path)
    assert len(study.left()) == 5
    study.run(1)
    steps = [r["step"][-1] for _, r in study.records() if r["kind"] == "run"]
    (record,) = [r for _, r in study.records() if r["kind"] == "baselines"]
    assert len(set(steps)) > 1
    assert record["symbols"] == record["file"] == min(steps)
    symbols = source.open(0).read(min(steps))
    alone = nbt.baselines.compressed_bits(source.open(0).alphabet.decode(symbols))
    assert record["bits"]["xz"] == dict(alone)["xz"]
    assert Study([figure], 2, Limits(budget=0.05), tmp_path).left() == []
    (line, other) = report.rows(figure, study.evidence())
    reached = report.common(figure, study.evidence())
    assert reached.symbols == min(steps)
    curves = study.evidence().runs["small", "tbptt"]
    assert other.same_symbols == median([curve.at(min(steps)) for curve in curves])
    assert line.same_time > 0


def test_a_failure_is_named_and_the_rest_is_kept(tmp_path):
    broken = Source("broken", "broken", _open_once, SMALL.cell, file=100)
    study = Study([Figure("f", "F", broken, (RULES["tbptt"],))], 3, TINY, tmp_path)
    with pytest.raises(RunError, match=r"seed 1.*numbers in"):
        study.run(1)
    assert [str(job) for job in study.left()] == ["broken, SGD TBPTT-15, seed 1"]


def _open_once(seed):
    return nbt.streams.symbols([0, 1, 2, 7 * (seed == 1)], cycle=True, alphabet=3)
