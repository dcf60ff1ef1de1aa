"""Scores the pattern miner on labelled logs, and prints its speed, its memory and what each of its rules is worth.

    python bench/log_patterns.py --data DIR --scorer score_logs.py --ablation

DIR holds one `<System>.csv` a system with the columns LineId, Content, EventId, EventTemplate (LogHub's form). The
scorer is called as `score_logs.py --truth DIR --predictions OUT --json`; GA is grouping accuracy, FGA the F1 of groups,
newF the F1 of "first line of a pattern never seen before". Every line is answered when it arrives, with one
configuration for all systems. Speed is CPU time of this process, best of the rounds, a new miner a round and all
systems in one.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from exporter.analysis.error_patterns import Miner  # the project is not installed: its root must be on the path
from exporter.analysis.message_masks import RULES, canonical, mask

FIGURES = ("GA", "FGA", "newF")
NewMiner = Callable[[], Miner]
Scores = dict[str, dict[str, float]]


def messages_of(file: Path) -> list[tuple[str, str]]:
    """Line id and message of each line of a labelled log."""
    csv.field_size_limit(1 << 24)
    with file.open(newline="", encoding="utf-8", errors="replace") as lines:
        return [(row["LineId"], row["Content"]) for row in csv.DictReader(lines)]


def predict(data: Path, output: Path, new_miner: NewMiner) -> None:
    """Write the group that each line is given as it arrives, one file a system, as the scorer reads it."""
    output.mkdir(parents=True, exist_ok=True)
    for file in sorted(data.glob("*.csv")):
        miner = new_miner()
        with (output / file.name).open("w", newline="", encoding="utf-8", errors="replace") as lines:
            writer = csv.writer(lines)
            writer.writerow(("LineId", "EventId", "EventTemplate"))
            for line, message in messages_of(file):
                match = miner.add(message)
                writer.writerow((line, match.fingerprint, match.template))


def scored(scorer: Path, data: Path, predictions: Path) -> Scores:
    """The scorer's figures by system, and `mean`.

    Raises:
        subprocess.CalledProcessError: the scorer refused the predictions; its words are on standard error.
    """
    command = [sys.executable, str(scorer), "--truth", str(data), "--predictions", str(predictions), "--json"]
    answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return {**answer["systems"], "mean": answer["mean"]}


def scores_of(args: argparse.Namespace, new_miner: NewMiner) -> Scores:
    """The figures of one way to build the miner, from predictions in a directory of their own."""
    with tempfile.TemporaryDirectory() as directory:
        predict(args.data, Path(directory), new_miner)
        return scored(args.scorer, args.data, Path(directory))


def print_scores(scores: Scores) -> None:
    """A line a system, and their plain mean."""
    print(f"{'system':14} {'true':>6} {'ours':>6} " + " ".join(f"{figure:>6}" for figure in FIGURES))
    for system, figures in scores.items():
        counts = f"{figures.get('true_groups', ''):>6} {figures.get('groups', ''):>6}"
        print(f"{system:14} {counts} " + " ".join(f"{figures[figure]:6.3f}" for figure in FIGURES))


def miner_without(name: str) -> Miner:
    """A miner that has all rules but one."""
    return Miner(rules=tuple(rule for rule in RULES if rule.name != name))


def print_ablation(args: argparse.Namespace, whole: Scores) -> None:
    """What the mean loses without each rule, and which systems' FGA change: a rule for one system is suspect."""
    print(f"\n{'without':26} " + " ".join(f"{figure:>7}" for figure in FIGURES) + "  FGA of the systems that change")
    variants: dict[str, NewMiner] = {rule.name: partial(miner_without, rule.name) for rule in RULES}
    variants["families"] = partial(Miner, family_size=1 << 30)
    for name, new_miner in variants.items():
        scores = scores_of(args, new_miner)
        loss = {system: {f: scores[system][f] - whole[system][f] for f in FIGURES} for system in scores}
        changed = [f"{s} {loss[s]['FGA']:+.3f}" for s in scores if s != "mean" and abs(loss[s]["FGA"]) > 5e-4]
        print(f"{name:26} " + " ".join(f"{loss['mean'][f]:+7.4f}" for f in FIGURES) + f"  {', '.join(changed)}")


def lines_per_second(messages: Sequence[str], rounds: int, take: Callable[[Iterable[str]], object]) -> float:
    """Messages per second of this process's CPU time, in the best of *rounds*."""
    best = float("inf")
    for _ in range(rounds):
        before = time.process_time()
        take(messages)
        best = min(best, time.process_time() - before)
    return len(messages) / best


def mine(messages: Iterable[str]) -> Miner:
    """A new miner that has seen *messages*."""
    miner = Miner()
    for message in messages:
        miner.add(message)
    return miner


def form_all(messages: Iterable[str]) -> None:
    """The canonical form of every message: what a miner would cost that never meets a message again."""
    for message in messages:
        canonical(mask(message))


def print_cost(messages: Sequence[str], rounds: int) -> None:
    """Speed and memory."""
    print(f"\n{len(messages)} messages of {sum(map(len, messages)) / len(messages):.0f} characters on average")
    print(f"miner                  {lines_per_second(messages, rounds, mine):9.0f} lines/s")
    print(f"no message comes again {lines_per_second(messages, rounds, form_all):9.0f} lines/s")
    tracemalloc.start()
    miner = mine(messages)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"memory                 {held / 1e3:9.0f} kB for {len(miner)} patterns, {held / len(miner):.0f} bytes each")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the flags ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="directory of labelled logs")
    parser.add_argument("--scorer", type=Path, required=True, help="the script that scores predictions")
    parser.add_argument("--output", type=Path, help="keep the predictions here")
    parser.add_argument("--ablation", action="store_true", help="score without each rule too")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the speed measurement")
    args = parser.parse_args(arguments)
    if args.output:
        predict(args.data, args.output, Miner)
    scores = scores_of(args, Miner)
    print_scores(scores)
    if args.ablation:
        print_ablation(args, scores)
    print_cost([message for file in sorted(args.data.glob("*.csv")) for _, message in messages_of(file)], args.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
