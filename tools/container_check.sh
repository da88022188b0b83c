#!/usr/bin/env bash
# Does compose.yaml do what it says? Up, a report through, nothing written outside volumes, scaled, killed, down and up again.
# Needs Docker with compose 2.24; builds and runs a project of its own, `tocsin-check`, on port 8000, and removes it at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
export COMPOSE_PROJECT_NAME=tocsin-check COMPOSE_PROFILES=demo TOCSIN_POLL_INTERVAL_MIN=1 TOCSIN_POLL_INTERVAL_MAX=2
work=$(mktemp -d) server=
compose() { docker compose --env-file deploy/demo.env "$@"; }
trap '[ -z "$server" ] || kill "$server"; compose down --volumes --remove-orphans --timeout 5 >/dev/null 2>&1; rm -rf "$work"' EXIT
step() { printf '%4d s  %s\n' "$SECONDS" "$*"; }
api() { curl -fsS -H "Authorization: Bearer $token" -H 'Content-Type: application/json' "http://127.0.0.1:8000$1" "${@:2}"; }

wait_for() { # wait_for WHAT COMMAND...: at most a minute
    for _ in $(seq 120); do "${@:2}" >/dev/null 2>&1 && { step "$1"; return; }; sleep 0.5; done
    echo "not within a minute: $1" >&2
    compose logs --tail 20 >&2
    exit 1
}

start() { compose up --detach --wait "$@" >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; compose logs --tail 20 >&2; exit 1; }; }

told() { curl -fsS http://127.0.0.1:8025/ | grep -q "$1"; }

write_feed() { # an item for each argument
    { echo '<rss version="2.0"><channel><title>Check</title>'
      for each; do echo "<item><guid isPermaLink='false'>$each</guid><title>$each: families flee</title><description>Thousands of people fled $each.</description></item>"; done
      echo '</channel></rss>'; } > "$work/feed.xml"
}

docker compose build --quiet
step "built"
up=$SECONDS
start
step "healthy, $((SECONDS - up)) s after up"
gateway=$(docker network inspect tocsin-check_outside -f '{{(index .IPAM.Config 0).Gateway}}')
write_feed
python3 -m http.server 8099 --bind "$gateway" --directory "$work" >/dev/null 2>&1 &
server=$!
token=$(compose exec -T api cat /secrets/tocsin_admin_token)
api /v1/feeds -d "{\"url\": \"http://$gateway:8099/feed.xml\"}" >/dev/null
subscription=$(api /v1/subscriptions -d '{"name": "check", "filter": {"query": "families"}, "one_per_story": false,
    "channel": {"type": "webhook", "url": "http://hook.demo:8025/hook"}}')
token=$(sed -E 's/.*"manage_token": ?"([^"]+)".*/\1/' <<<"$subscription")
id=$(sed -E 's/.*"id": ?"(sub_[^"]+|[^"]+)".*/\1/' <<<"$subscription")
active() { api "/v1/subscriptions/$id" | grep -q '"active"'; }
listed() { curl -fsS "http://127.0.0.1:8000/v1/reports?q=$1" | grep -q "$1"; }
wait_for "the alert is confirmed" active
write_feed Alpha
wait_for "a report is told" told Alpha

for service in ingest classify notify api redis demo; do
    # What the engine itself puts there: its init, and the places where volumes and files are mounted.
    changed=$(docker diff "$(compose ps -q $service)" | grep -vE ' (/usr|/usr/sbin|/sbin)(/docker-init)?$|^[AC] /secrets$' || true)
    [ -z "$changed" ] || { echo "$service wrote outside its volumes: $changed" >&2; exit 1; }
done
step "nothing is written outside volumes"

start --scale classify=2 --no-recreate
[ "$(compose ps -q classify | wc -l)" = 2 ]
step "two classify"
for container in $(compose ps -q classify | head -1) $(compose ps -q notify); do
    kill -9 "$(docker inspect -f '{{.State.Pid}}' "$container")"
done
write_feed Alpha Bravo
wait_for "told after a classify and notify were killed" told Bravo
compose restart redis >/dev/null 2>&1
write_feed Alpha Bravo Charlie
wait_for "told after a restart of Redis" told Charlie
compose stop notify >/dev/null 2>&1
write_feed Alpha Bravo Charlie Delta
wait_for "another is tagged while notify is stopped" listed Delta
compose down >/dev/null 2>&1
up=$SECONDS
start
step "healthy again, $((SECONDS - up)) s after down and up"
wait_for "what was owed before is told after" told Delta
active
step "the alert is still there: all good"
