#!/usr/bin/env bash
# The set of compose.yaml as processes of this machine, where no container engine runs: Kafka,
# ClickHouse, two collectors, two aggregators, and serve. Everything is on the loopback interface
# and under ./headcount-local (or the folder given); Ctrl-C stops all of it in order.
#
#     deploy/local.sh [FOLDER]
#
# Needs: java 17, maven and python3-venv the first time, which fetch Kafka (Maven Central) and chDB
# (PyPI); with a `clickhouse` on the path no chDB. There is no proxy: each collector has a port.
#   LOCAL_PORT    the first port (8080); the others lie above it
#   LOCAL_BIN     the headcount to start; else it is built
#   LOCAL_KAFKA   a folder with Kafka's jars
#   LOCAL_PYTHON  a python3 with chDB
set -euo pipefail
# The logs have the link that signs in.
umask 077
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "${1:-headcount-local}"
cd "${1:-headcount-local}"
home=$PWD
mkdir -p log
port=${LOCAL_PORT:-8080}
clickhouse=127.0.0.1:$((port + 43)) broker=127.0.0.1:$((port + 1012)) controller=127.0.0.1:$((port + 1013))
names=() pids=()

die() { echo "local.sh: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null || die "missing: $1; install it with: apt-get install $2"; }

# Starts NAME as a process that a Ctrl-C in this terminal does not reach.
start() { # NAME COMMAND...
  local name=$1; shift
  : > "log/$name.out"
  setsid "$@" </dev/null >>"log/$name.out" 2>>"log/$name.log" &
  names+=("$name") pids+=($!)
}

# Waits until the process started last has said something.
said() { # TEXT
  local name=${names[-1]} pid=${pids[-1]}
  for _ in $(seq 3000); do
    grep -q "$1" "log/$name.out" && return
    kill -0 "$pid" 2>/dev/null || die "$name has ended: $(tail -n 3 "log/$name.log" "log/$name.out")"
    sleep 0.1
  done
  die "$name does not answer; see $home/log/$name.log"
}

# The last one first: who shows, who counts, who adds up, and what they need.
stop() {
  trap '' INT TERM
  local at
  for ((at = ${#pids[@]} - 1; at >= 0; at--)); do
    kill "${pids[at]}" 2>/dev/null || continue
    wait "${pids[at]}" 2>/dev/null || true
    echo "stopped ${names[at]}"
  done
}
trap stop EXIT
trap 'exit 0' INT TERM

headcount=${LOCAL_BIN:-}
if [ -z "$headcount" ]; then
  have cargo cargo
  (cd "$root" && cargo build --release --locked --bin headcount)
  headcount=${CARGO_TARGET_DIR:-$root/target}/release/headcount
fi

# Kafka: the jars once, the storage once.
have java openjdk-17-jre-headless
jars=${LOCAL_KAFKA:-$home/kafka-jars}
if [ ! -d "$jars" ]; then
  have mvn maven
  mvn -q -B dependency:copy-dependencies -DincludeScope=runtime "-DoutputDirectory=$jars.new" \
    -f "$root/deploy/local/kafka/pom.xml" || die "Kafka's jars were not fetched from Maven Central"
  mv "$jars.new" "$jars"
fi
sed -e "s|^controller.quorum.voters=.*|controller.quorum.voters=1@$controller|" \
  -e "s|^listeners=.*|listeners=PLAINTEXT://$broker,CONTROLLER://$controller|" \
  -e "s|^advertised.listeners=.*|advertised.listeners=PLAINTEXT://$broker|" \
  -e "s|^log.dirs=.*|log.dirs=$home/kafka|" \
  "$root/deploy/local/kafka/server.properties" > kafka.properties
kafka=(java -Xms96m -Xmx384m -Xss512k -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData
  "-Dlog4j2.configurationFile=$root/deploy/local/kafka/log4j2.properties" -cp "$jars/*")
[ -e kafka/meta.properties ] || "${kafka[@]}" kafka.tools.StorageTool format \
  -t MkU3OEVBNTcwNTJENDM2Qk -c kafka.properties >>log/kafka.log 2>&1 || die "see $home/log/kafka.log"
start kafka "${kafka[@]}" kafka.Kafka kafka.properties

# ClickHouse: the server if it is installed, else its engine behind our front.
have python3 python3
if command -v clickhouse >/dev/null; then
  mkdir -p clickhouse
  start clickhouse clickhouse server -- --listen_host=127.0.0.1 --path="$home/clickhouse/" \
    --http_port="${clickhouse#*:}" --tcp_port="$((port + 44))" --mysql_port=0 --postgresql_port=0
else
  python=${LOCAL_PYTHON:-$home/chdb/bin/python}
  if [ ! -x "$python" ]; then
    python3 -m venv chdb || die "missing: venv; install it with: apt-get install python3-venv"
    chdb/bin/python -m pip install --quiet --no-deps chdb-core==26.9.0 || die "chDB was not fetched from PyPI"
  fi
  start clickhouse "$python" "$root/deploy/local/clickhouse_front.py" --path "$home/clickhouse" \
    --port "${clickhouse#*:}"
fi
python3 - "http://$clickhouse" <<'PYTHON' || die "clickhouse does not answer; see $home/log/clickhouse.log"
import sys, time, urllib.request
for attempt in range(300):
    try:
        urllib.request.urlopen(sys.argv[1], b"CREATE DATABASE IF NOT EXISTS headcount").read()
        sys.exit(0)
    except OSError:
        time.sleep(0.2)
sys.exit(1)
PYTHON
for _ in $(seq 600); do grep -q "Kafka Server started" log/kafka.out && break; sleep 0.1; done
kill -0 "${pids[0]}" 2>/dev/null || die "kafka has ended; see $home/log/kafka.out"

# The rooms.
export HEADCOUNT_KAFKA_BROKERS=$broker HEADCOUNT_CLICKHOUSE_URL=http://$clickhouse
ops() { echo "HEADCOUNT_OPS_LISTEN=127.0.0.1:$((port + 1384 + $1))"; }
for n in 1 2; do
  start "aggregator-$n" env "$(ops "$n")" "$headcount" aggregate
  said "operations"
done
for n in 1 2; do
  start "collector-$n" env "$(ops $((n + 2)))" "HEADCOUNT_COLLECTOR_ID=collector-$n" \
    "$headcount" collect --data "$home/collector-$n" --listen "127.0.0.1:$((port + n - 1))"
  said "operations"
done
start serve env "$(ops 5)" "$headcount" serve --data "$home/serve" --listen "127.0.0.1:$((port + 10))"
said "operations"

sed -n 's/^demo page */demo page   /p' log/collector-1.out log/collector-2.out
sed -n 's/^dashboard */dashboard   /p' log/serve.out
echo "logs        $home/log"
echo "Ctrl-C stops all of it; what was counted stays in $home"
wait -n "${pids[@]}" || true
for at in "${!pids[@]}"; do
  kill -0 "${pids[at]}" 2>/dev/null || die "${names[at]} has ended; see $home/log/${names[at]}.log"
done
