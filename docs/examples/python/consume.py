"""Print every tagged report once: id, topics, title. Go on where it ended.

Usage: python consume.py redis://consumer:PASSWORD@localhost:6379/0 CURSOR_FILE [STREAM]
"""

import sys
from pathlib import Path

from redis import Redis
from tocsin_stream import CursorTooOld, TocsinStream


def main(url: str, file: str, key: str = "tocsin:reports.tagged.v1") -> int:
    cursor = Path(file)
    last_id = cursor.read_text().strip() if cursor.exists() else "0"
    try:
        for entry_id, event in TocsinStream(Redis.from_url(url), key).resume(last_id):
            data = event["data"]
            topics = ",".join(dict.fromkeys(tag["topic"] for tag in data["tags"]))
            print(entry_id, topics, data["report"]["title"], sep="\t", flush=True)
            cursor.write_text(entry_id)
    except CursorTooOld as e:
        print(f"{e}: write it into {file} to go on with a gap", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
