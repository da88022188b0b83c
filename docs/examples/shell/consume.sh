#!/bin/sh
# Print every tagged report once: id, topics, the event's JSON. Go on where it ended. Needs redis-cli and awk.
#
# Usage: sh consume.sh redis://consumer:PASSWORD@localhost:6379/0 CURSOR_FILE [STREAM]
set -eu
url=$1 file=$2 key=${3:-tocsin:reports.tagged.v1}

ask() { redis-cli --no-auth-warning -u "$url" --raw "$@"; }

# Is the first id the smaller one?  MILLISECONDS-SEQUENCE
before() {
    awk -v a="$1" -v b="$2" 'BEGIN { split(a "-0", x, "-"); split(b "-0", y, "-")
        exit !(x[1] + 0 < y[1] + 0 || (x[1] + 0 == y[1] + 0 && x[2] + 0 < y[2] + 0)) }'
}

last=$(cat "$file" 2>/dev/null || echo 0)
while :; do
    found=$(ask XREAD COUNT 100 BLOCK 5000 STREAMS "$key" "$last")
    # The oldest that is kept; if it is younger than ours, and it is not the very next, something may be missing.
    if [ "$last" != 0 ]; then
        first=$(ask XRANGE "$key" - + COUNT 1 | head -n 1)
        whole=$(ask XINFO STREAM "$key" | awk '/^length$/ { getline l } /^entries-added$/ { getline a } END { print l == a }')
        if [ -n "$first" ] && [ "$whole" = 0 ] && before "$last" "$first"; then
            echo "events after $last are missing; the oldest that is kept is $first" >&2
            exit 1
        fi
    fi
    # Names and values come by turns, one a line: neither has a line break in it.
    printf '%s\n' "$found" | awk -v OFS='\t' '
        NR == 1 { next }
        /^[0-9]+-[0-9]+$/ && !name { id = $0; topics = ""; name = 1; next }
        name == 1 { field = $0; name = 2; next }
        name == 2 { if (field == "topics") topics = $0
                    if (field == "event") { print id, topics, $0; name = 0 } else name = 1 }'
    # With nothing new the answer is empty.
    last=$(printf '%s\n' "$found" | awk 'NR > 1 && /^[0-9]+-[0-9]+$/ { id = $0 } END { print id }' | grep . || echo "$last")
    printf '%s\n' "$last" > "$file"
done
