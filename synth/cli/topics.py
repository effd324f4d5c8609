"""``synth topics``: list and check the topic files."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import click

from synth.cli.common import count
from synth.errors import InputError, nearest
from synth.project import open_project
from synth.topics import Topic

#: Share of their words that two topics have in common to be called nearly the same.
NEAR = 0.6


@click.command(name="topics")
@click.option("--list", "show", is_flag=True, help="Print every topic.")
@click.option("--tag", metavar="TAG", help="Only topics with this tag.")
@click.option("--json", "as_json", is_flag=True, help="Print the topics as JSON, one object a line.")
def command(tag: str | None, *, show: bool, as_json: bool) -> None:
    """Check the topic files and count what is in them; name topics that are nearly the same."""
    topics = open_project({}).topics
    if tag is not None:
        topics = _tagged(topics, tag)
    if as_json:
        for topic in topics:
            click.echo(json.dumps(_row(topic), ensure_ascii=False))
        return
    for category in sorted({topic.category for topic in topics}):
        _print(category, [topic for topic in topics if topic.category == category], show=show)
    for one, other in near_duplicates(topics):
        click.echo(f"nearly the same: {one.place}: {one.text!r} and {other.place}: {other.text!r}")


def near_duplicates(topics: Sequence[Topic]) -> Iterator[tuple[Topic, Topic]]:
    """Give pairs of topics that share most of their words."""
    words = {id(topic): set(topic.key[1].split()) for topic in topics}
    for one, other in combinations(topics, 2):
        a, b = words[id(one)], words[id(other)]
        if len(a & b) > NEAR * len(a | b):
            yield one, other


def _tagged(topics: Sequence[Topic], tag: str) -> list[Topic]:
    found = [topic for topic in topics if tag in topic.tags]
    if not found:
        known = sorted({tag for topic in topics for tag in topic.tags})
        there = f"there are: {', '.join(known)}" if known else "no topic has any tags"
        raise InputError(f"--tag: no topic is tagged {tag!r}{nearest(tag, known)}; {there}")
    return found


def _row(topic: Topic) -> dict[str, Any]:
    return {
        "category": topic.category,
        "topic": topic.text,
        "expect": topic.expect,
        "tags": topic.tags,
        "audiences": [audience for audience in topic.audiences if audience],
        "repeat": topic.repeat,
        "place": str(topic.place),
    }


def _print(category: str, topics: Sequence[Topic], *, show: bool) -> None:
    scenarios = sum(len(topic.audiences) * topic.repeat for topic in topics)
    expecting = sum(bool(topic.expect) for topic in topics)
    click.echo(f"{category}: {count(len(topics), 'topic')}, {count(scenarios, 'scenario')}, {expecting} with expect")
    tags = Counter(tag for topic in topics for tag in topic.tags)
    if tags:
        click.echo("  tags: " + ", ".join(f"{tag} {number}" for tag, number in tags.most_common()))
    for topic in topics if show else ():
        click.echo(f"  {topic.text}" + (f"  → {'; '.join(topic.expect)}" if topic.expect else ""))
