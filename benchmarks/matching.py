"""The matching engine: many queries on made-up reports, and bare phrases beside other engines.

python -m benchmarks.matching            everything, about a minute
python -m benchmarks.matching queries    only that row (words, rulebook, queries, changes, phrases)
"""

import gc
import random
import re
import resource
import sqlite3
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmarks.material import long_report
from services.classify.adapters.rulebook_files import load_rulebook
from services.classify.core.tag import find_all
from shared.matching.document import Document
from shared.matching.expression import AllOf, AnyOf, Expression, Fact, Near, Not, Phrase
from shared.matching.phrases import NUMBER, Automaton
from shared.matching.snapshot import SMALL, Snapshot
from shared.matching.text import Text
from shared.matching.words import cut

WORDS = 800
LETTERS = "etaoinshrdlucmfwypvbgkjqxz"
FACTS = [Fact(f"topic:{name}") for name in ("negotiations", "displacement", "airspace_incursions", "aid")]

chance = random.Random(4)


def vocabulary(size: int) -> list[str]:
    """Different words of 2 to 11 letters, the commonest first."""
    words: dict[str, None] = {}
    while len(words) < size:
        words["".join(chance.choices(LETTERS, range(26, 0, -1), k=chance.randint(2, 11)))] = None
    return list(words)


VOCABULARY = vocabulary(40_000)
COMMONNESS = [1 / (rank + 3) for rank in range(len(VOCABULARY))]


def reports(count: int) -> list[str]:
    """Texts of 800 words in sentences, word frequencies by Zipf's law. The same each time."""
    chance.seed(1)
    return [" ".join(sentences(WORDS)) for _ in range(count)]


def sentences(words: int) -> Iterable[str]:
    """Sentences of 10 to 30 words, with capitals, commas and full stops."""
    while words > 0:
        sentence = chance.choices(VOCABULARY, COMMONNESS, k=min(words, chance.randint(10, 30)))
        words -= len(sentence)
        sentence[0], sentence[len(sentence) // 2] = (
            sentence[0].capitalize(),
            sentence[len(sentence) // 2] + ",",
        )
        yield " ".join(sentence) + "."


def phrases(count: int) -> list[str]:
    """Different phrases: a third rare words, a third of two words, a sixth of three, a sixth prefixes."""
    chance.seed(3)
    made: dict[str, None] = {}
    while len(made) < count:
        words = chance.choices(VOCABULARY[50:], k=chance.choice((1, 1, 2, 2, 3, 4)))
        if len(words) == 4:
            words = [words[0][:6] + "*"] if len(words[0]) >= 4 else words[:2]
        made[" ".join(words)] = None
    return list(made)


def queries(count: int) -> dict[str, Expression]:
    """30 % OR; 30 % AND of two ORs; 15 % with NOT; 8 % NEAR/10; 15 % topic and OR; 2 % of three and a topic."""
    chance.seed(2)
    terms = list(map(Phrase.of, phrases(40_000)))
    used = iter(chance.choices(terms, [1 / (rank + 20) for rank in range(len(terms))], k=20 * count))

    def any_of(most: int = 6) -> Phrase | AnyOf:
        parts = tuple(next(used) for _ in range(chance.randint(1, most)))
        return parts[0] if len(parts) == 1 else AnyOf(parts)

    def one(share: float) -> Expression:
        if share < 0.30:
            return any_of()
        if share < 0.60:
            return AllOf((any_of(), any_of()))
        if share < 0.75:
            return AllOf((any_of(), Not(next(used))))
        if share < 0.83:
            return Near(any_of(3), any_of(3), 10)
        if share < 0.98:
            return AllOf((chance.choice(FACTS), any_of()))
        return AllOf((any_of(), any_of(), any_of(), chance.choice(FACTS)))

    return {f"subscription-{number}": one(chance.random()) for number in range(count)}


def rate(work: Callable[[str], object], texts: Sequence[str]) -> float:
    """Texts a second of this process's own time, the best of three."""
    best = 0.0
    for _ in range(3):
        began = time.process_time()
        for text in texts:
            work(text)
        best = max(best, len(texts) / (time.process_time() - began))
    return best


def memory() -> float:
    """What this process uses now, MB."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def document(text: str) -> Document:
    """A report with one topic."""
    return Document.of(Text.of(text[:70], text), topics={FACTS[len(text) % 4].key.removeprefix("topic:"): ()})


def measure_words() -> None:
    """Cutting into words against lower-casing and splitting, and against a regular expression for words."""
    texts = reports(200)
    ours = rate(cut, texts)
    split, runs = rate(lambda text: text.lower().split(), texts), rate(re.compile(r"\w+").findall, texts)
    print(
        f"words of {WORDS}-word reports: {ours:,.0f}/s; lower().split() {split:,.0f}/s = {ours / split:.2f}; "
        f"findall(\\w+) {runs:,.0f}/s = {ours / runs:.2f}"
    )


def measure_rulebook() -> None:
    """The shipped rulebook with countries on 800-word reports, against lower-casing and splitting the same text.

    The figure is of the mix: of a hundred reports in general news feeds a few are on topic.
    """
    rulebook = load_rulebook()
    # As classify does once it has its rules: no collection looks at them again.
    gc.collect()
    gc.freeze()
    kinds = {
        "off topic": [long_report(number, topical=0) for number in range(80)],
        "one relevant sentence": [long_report(number, topical=1) for number in range(80, 95)],
        "every sentence relevant": [long_report(number, topical=None) for number in range(95, 100)],
    }
    kinds["the mix of 80, 15 and 5 of these"] = [text for texts in kinds.values() for text in texts]
    for kind, texts in kinds.items():
        ours = rate(lambda text: find_all(text[:70], text, "en", rulebook), texts)
        split = rate(lambda text: text.lower().split(), texts)
        print(
            f"rulebook, {WORDS}-word reports, {kind}: {ours:,.0f}/s; "
            f"lower().split() {split:,.0f}/s = {ours / split:.2f}"
        )


def measure_queries() -> None:
    """Reports a second at 1,000, 10,000 and 100,000 queries; matches with all their evidence beside it."""
    texts = reports(60)
    times = {}
    for count in (1_000, 10_000, 100_000):
        before = memory()
        wanted = queries(count)
        began = time.process_time()
        snapshot = Snapshot.build(wanted)
        built, used = time.process_time() - began, memory() - before
        matches = sum(1 for text in texts for _ in snapshot.match(document(text))) / len(texts)
        times[count] = 1 / rate(
            lambda text, snapshot=snapshot: deque(snapshot.match(document(text)), 0), texts
        )
        print(
            f"{count:,} queries: {1 / times[count]:,.0f} reports/s, {matches:.0f} matches each; "
            f"built in {built:.1f} s; {used:.0f} MB, the queries among them",
            flush=True,
        )
    shown = rate(lambda text: [match.clauses for _, match in snapshot.match(document(text))], texts[:20])
    print(f"100,000 queries with the evidence of every match: {shown:,.0f} reports/s")
    print(f"1,000 -> 100,000 queries: x{times[100_000] / times[1_000]:.1f}")


def measure_changes() -> None:
    """The time until one query put or dropped is seen, with 100,000 there and hundreds changed before."""
    wanted = queries(100_000)
    names = list(wanted)
    snapshot = Snapshot.build(wanted).with_changes(
        {f"new-{name}": wanted[name] for name in names[: SMALL - 70]}
    )
    # As a service does once it has read what there is: no collection looks at all of it again.
    gc.collect()
    gc.freeze()
    report = document(reports(1)[0])
    put, drop = [], []
    for name in names[500:560]:
        began = time.perf_counter()
        snapshot = snapshot.with_changes({f"new-{name}": wanted[name]})
        deque(snapshot.match(report), 0)
        put.append((time.perf_counter() - began) * 1e3)
        began = time.perf_counter()
        snapshot = snapshot.with_changes({}, [name])
        deque(snapshot.match(report), 0)
        drop.append((time.perf_counter() - began) * 1e3)
    gc.unfreeze()
    for what, took in (("put", put), ("dropped", drop)):
        print(
            f"one query {what} and a report matched: median {median(took):.0f} ms, longest {max(took):.0f} ms"
        )


def measure_phrases() -> None:
    """Bare phrases: who finds which phrase in which report."""
    texts = reports(60)
    for count in (1_000, 10_000, 100_000):
        wanted = bare_phrases(count)
        rates = {"ours": rate(_ours(wanted), texts)}
        if find := _hyperscan(wanted):
            rates["hyperscan"] = rate(find, texts)
        rates["SQLite FTS5"] = rate(_fts5(wanted), texts[:10] if count < 100_000 else texts[:1])
        if count <= 10_000:
            rates["re"] = rate(_regular_expression(wanted), texts[: 20_000 // count])
        others = ", ".join(
            f"{name} {other:,.1f}/s = {rates['ours'] / other:.2f}"
            for name, other in rates.items()
            if name != "ours"
        )
        print(f"{len(wanted):,} bare phrases: ours {rates['ours']:,.0f}/s; {others}", flush=True)
        if "hyperscan" in rates and count > 1_000:
            ours, theirs = _grown(_ours, count), _grown(_hyperscan, count)
            print(
                f"  memory: ours {ours:.1f} MB, hyperscan {theirs:.1f} MB = {ours / theirs:.2f}", flush=True
            )


def bare_phrases(count: int) -> list[str]:
    """As many phrases, those with a prefix left out."""
    return [phrase for phrase in phrases(count) if "*" not in phrase]


Finder = Callable[[str], object]


def _grown(make: Callable[[list[str]], Finder | None], count: int) -> float:
    """By how many MB a new process grows that makes this."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_growth, make, count).result()


def _growth(make: Callable[[list[str]], Finder | None], count: int) -> float:
    wanted = bare_phrases(count)
    make(wanted[:1])
    before = memory()
    kept = make(wanted)
    grown = memory() - before
    del kept
    return grown


def _ours(wanted: list[str]) -> Finder:
    """Which phrases, as the others say it; where each stands costs a microsecond more for each."""
    automaton = Automaton(wanted)
    return lambda text: set(map(NUMBER, automaton.find(cut(text))))


def _regular_expression(wanted: list[str]) -> Finder:
    pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, wanted)) + r")\b")
    return lambda text: set(pattern.findall(text.lower()))


def _fts5(wanted: list[str]) -> Finder:
    """Each report a table of one row, every phrase a query: how one would ask an index of documents."""
    asked = [f'"{phrase}"' for phrase in wanted]

    def find(text: str) -> list[str]:
        base = sqlite3.connect(":memory:")
        base.execute("CREATE VIRTUAL TABLE report USING fts5(body)")
        base.execute("INSERT INTO report VALUES (?)", (text,))
        ask = "SELECT 1 FROM report WHERE report MATCH ?"
        return [phrase for phrase in asked if base.execute(ask, (phrase,)).fetchone()]

    return find


def _hyperscan(wanted: list[str]) -> Finder | None:
    """Literals on words that are cut as ours are; a development dependency, left out where it is missing."""
    try:
        import hyperscan
    except ImportError:
        return None
    base = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    literals = [f" {phrase} ".encode() for phrase in wanted]
    numbers = list(range(len(literals)))
    base.compile(expressions=literals, ids=numbers, literal=True, flags=[0] * len(literals))

    def find(text: str) -> set[int]:
        found: set[int] = set()
        base.scan(cut(text).line, match_event_handler=lambda number, *_: found.add(number) or 0)
        return found

    return find


ROWS = {
    "words": measure_words,
    "rulebook": measure_rulebook,
    "queries": measure_queries,
    "changes": measure_changes,
    "phrases": measure_phrases,
}


def measure() -> None:
    """Print every row."""
    for row in ROWS.values():
        row()


if __name__ == "__main__":
    for name in sys.argv[1:] or ROWS:
        ROWS[name]()
