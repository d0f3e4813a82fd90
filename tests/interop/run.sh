#!/usr/bin/env bash
# Runs the official SDKs against the emulator: alone, together, and next to this
# crate's client. Prints a line per scenario, and exits with 1 if a scenario fails.
#
#   tests/interop/run.sh                     # every scenario
#   tests/interop/run.sh CLIENTS_WHAT...     # some, such as go_split go+ours_share
#   tests/interop/run.sh --table [PROBE...]  # measures docs/sdk-differences.md
#
# CLIENTS are go, java and ours, joined by +; WHAT is a scenario below. Needs curl
# and Go, because the program that checks results is in Go (and the module proxy for
# the first run). Runs JOBS scenarios at a time (default 5), because they mostly wait.
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
root=$(cd ../.. && pwd)

all=(
  go_meta go_base go_stream go_split go_merge go_killed go_restarted go_faults
  go+go_share go+ours_share ours_split ours_merge ours_killed ours_restarted ours_faults ours+ours_share
)
all_with_java=(
  java_faults java_killed java_restarted java+java_share java+ours_share go+java+ours_share
  java_meta java_base java_stream java_split java_merge
)

if ! command -v go >/dev/null; then
  echo "interop: Go is not installed, skipping all scenarios"
  exit 0
fi

work=$(mktemp -d)
declare -A running=() # the names of the processes started here, by pid

# finish SIGNAL: signals every process started here.
finish() {
  for pid in "${!running[@]}"; do
    kill -"$1" "$pid" 2>/dev/null || true
  done
}

leave() {
  local status=$?
  finish TERM
  if [ "$status" -eq 0 ]; then
    rm -rf "$work"
  else
    echo "interop: logs and records are in $work"
  fi
}
trap leave EXIT
trap 'exit 130' INT TERM

# --- programs ---------------------------------------------------------------

build() {
  cargo build --quiet --locked --manifest-path "$root/Cargo.toml" --workspace \
    --bin tablestore-emulator --example interop_consume --example interop_differences
  local target
  target=$(cargo metadata --manifest-path "$root/Cargo.toml" --format-version 1 --no-deps |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
  bin=$target/debug/examples emulator=$target/debug/tablestore-emulator
  (cd "$here/go" && go test ./check >/dev/null && go build -mod=readonly -o "$work/" ./meta ./consume ./check)
}

has_java() {
  command -v java >/dev/null && command -v mvn >/dev/null
}

maven() {
  local log="$work/maven.log"
  if ! (cd "$here/java" && mvn -q -B -DbuildDirectory="$work/java" "$@") >"$log" 2>&1; then
    cat "$log"
    return 1
  fi
}

# Maven has no lock file. The versions are in pom.xml, and the checksums of the
# resolved artifacts must match artifacts.sha256.
build_java() {
  maven dependency:build-classpath -Dmdep.outputFile="$work/classpath"
  local jars repository
  IFS=: read -ra jars <<<"$(<"$work/classpath")"
  repository=${jars[0]%/com/aliyun/*}
  (cd "$repository" && sha256sum "${jars[@]#"$repository"/}" | sort -k 2) >"$work/artifacts.sha256"
  if ! diff "$here/java/artifacts.sha256" "$work/artifacts.sha256"; then
    echo "interop: the artifacts of the Java SDK do not match the pinned checksums"
    return 1
  fi
  maven compile
}

# start NAME COMMAND...: starts a process in the background and sets pid. It runs in a
# separate folder, because the SDKs write log files into their working directory.
start() {
  local name=$1
  shift
  mkdir -p "$dir/$name"
  (cd "$dir/$name" && exec "$@") >"$dir/$name/log" 2>&1 &
  pid=$!
  running[$pid]=$name
}

# stop PID: stops a process with SIGTERM, and notes a failure.
stop() {
  kill -TERM "$1" 2>/dev/null || true
  local status=0
  wait "$1" || status=$?
  local name=${running[$1]}
  unset "running[$1]"
  if [ "$status" -ne 0 ]; then
    note+="; $name exited with $status: $(tail -n 1 "$dir/$name/log")"
  fi
}

# stop_hard PID: kills a process.
stop_hard() {
  kill -KILL "$1"
  wait "$1" 2>/dev/null || true
  unset "running[$1]"
}

# emulator OPTION...: starts an emulator and evaluates the variables it prints.
emulator() {
  mkfifo "$dir/announced"
  "$emulator" --partitions 4 --expect-file "$dir/expect.jsonl" "$@" \
    >"$dir/announced" 2>"$dir/emulator.log" &
  emulator_pid=$!
  running[$emulator_pid]=emulator
  mkdir -p "$dir/emulator"
  ln -sf ../emulator.log "$dir/emulator/log"
  local lines
  # Ends after the fourth line, or when the emulator exits.
  lines=$(head -n 4 "$dir/announced")
  if [ "$(wc -l <<<"$lines")" -ne 4 ]; then
    echo "interop: the emulator did not start: $(cat "$dir/emulator.log")"
    exit 1
  fi
  eval "$lines"
}

# consumer CLIENT NAME [OPTION...]: starts a consumer with the client's minimum
# heartbeat interval.
consumer() {
  local client=$1 name=$2 out="$dir/$2.jsonl"
  shift 2
  : >"$out"
  set -- -out="$out" -timeout=20 -checkpoint=1000 "$@"
  case $client in
    go) start "$name" "$work/consume" -heartbeat=1 "$@" ;;
    java) start "$name" java -cp "$work/java/classes:$(<"$work/classpath")" interop.Consume -heartbeat=5 "$@" ;;
    ours) start "$name" "$bin/interop_consume" -heartbeat=5 "$@" ;;
    *) echo "interop: unknown client $client" && return 1 ;;
  esac
  consumers+=("$pid")
}

check() {
  "$work/check" -expect "$dir/expect.jsonl" "$@"
}

control() { # PATH [CURL OPTION...]
  local path=$1
  shift
  curl --silent --show-error --fail --max-time 10 "$@" "$OTS_ENDPOINT/_emulator$path"
}

# --- scenarios --------------------------------------------------------------
# Each scenario takes its clients as arguments, sets verdict to the result of the
# check, and returns whether it passed. No result depends on the speed of the machine.

# verify [OPTION...]: waits until every record was delivered, stops the consumers, and
# checks the records delivered by then.
verify() {
  check -wait 180s "$@" "$dir"/consumer-*.jsonl >/dev/null || true
  for consumer in "${consumers[@]}"; do
    stop "$consumer"
  done
  verdict=$(check "$@" "$dir"/consumer-*.jsonl)
}

scenario_meta() {
  emulator --rows 100
  case $1 in
    go) start meta "$work/meta" ;;
    java) start meta java -cp "$work/java/classes:$(<"$work/classpath")" interop.Meta ;;
  esac
  local status=0
  wait "$pid" || status=$?
  unset "running[$pid]"
  verdict=$(tail -n 1 "$dir/meta/log")
  return "$status"
}

scenario_base() {
  emulator --rows 3000 --batch-rows 500 --write-changes 40 --write-for-ms 1000
  consumer "$1" consumer-1 -type=BaseData
  verify -type BaseData
}

scenario_stream() {
  emulator --rows 500 --write-changes 2000 --write-for-ms 4000
  consumer "$1" consumer-1 -type=Stream
  verify -type Stream
}

# Base data, then live changes; a partition is split meanwhile.
scenario_split() {
  emulator --rows 3000 --batch-rows 500 --write-changes 3000 --write-for-ms 12000 --split-after-ms 6000
  consumer "$1" consumer-1
  verify
}

# Base data, then live changes; two partitions are merged meanwhile.
scenario_merge() {
  emulator --rows 3000 --batch-rows 500 --write-changes 3000 --write-for-ms 20000
  consumer "$1" consumer-1
  check -at-least 4000 -wait 180s "$dir/consumer-1.jsonl" >/dev/null || return 1
  local living
  living=$(control /tables/orders | awk '/"active"/ { living = /true/ } /"id"/ && living { print $2 }' |
    tr -d , | head -n 2 | paste -sd,)
  control /tables/orders/merge --data "{\"partitions\": [$living]}" >"$dir/merged" || return 1
  verify
}

# Several workers on one tunnel. Each must receive records.
scenario_share() {
  emulator --rows 3000 --batch-rows 500 --write-changes 5000 --write-for-ms 25000 \
    --wait-for-clients $# --split-after-ms 12000
  local number=0
  for client in "$@"; do
    number=$((number + 1))
    consumer "$client" "consumer-$number"
  done
  verify -share
}

# stop_and_continue CLIENT STOP: stops a worker halfway; another continues from its
# checkpoints.
stop_and_continue() {
  emulator --rows 3000 --batch-rows 100 --write-changes 3000 --write-for-ms 20000
  consumer "$1" consumer-1
  check -at-least 4000 -wait 180s "$dir/consumer-1.jsonl" >/dev/null || return 1
  "$2" "$pid"
  consumers=()
  consumer "$1" consumer-2
  verify -share
}

scenario_killed() {
  stop_and_continue "$1" stop_hard
}

scenario_restarted() {
  stop_and_continue "$1" stop
}

# Every fault in faults.txt occurs, and then every record must be delivered.
scenario_faults() {
  emulator --rows 3000 --batch-rows 100 --write-changes 3000 --write-for-ms 30000 \
    --faults "$here/faults.txt"
  consumer "$1" consumer-1
  local deadline=$((SECONDS + 180))
  while control /faults | grep -q '"over": false'; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      verdict="some faults did not occur: $(control /faults)"
      return 1
    fi
    sleep 0.5
  done
  verify
}

# --- all scenarios ----------------------------------------------------------

# rules: adds the emulator's verdict on the requests of the clients. Violations by the
# SDKs are accepted; this crate's client must not violate a rule.
rules() {
  local found
  control "/verdict" >"$dir/verdict" || return 1
  found=$(grep -E '^(NOT )?clean: ' "$dir/verdict")
  verdict+="; rules: $found"
  [[ $name == *go* || $name == *java* || $found == clean:* ]]
}

# run NAME: runs a scenario in a subshell.
run() (
  trap 'finish KILL' EXIT
  running=()
  consumers=()
  name=$1 dir=$work/$1 start=$SECONDS note="" verdict="" word=ok
  mkdir "$dir"
  IFS=+ read -ra clients <<<"${name%_*}"
  "scenario_${name##*_}" "${clients[@]}" || word=FAILED
  rules || word=FAILED
  stop "$emulator_pid"
  [ -z "$note" ] || word=FAILED
  printf '%-6s %-18s %3ds  %s%s\n' "$word" "$name" "$((SECONDS - start))" "$verdict" "$note"
  [ "$word" = ok ]
)

# run_all NAME...: runs scenarios, JOBS at a time.
run_all() {
  local failed=0 jobs=0
  for name in "$@"; do
    if [ "$jobs" -ge "${JOBS:-5}" ]; then
      wait -n || failed=1
      jobs=$((jobs - 1))
    fi
    run "$name" &
    running[$!]=$name
    jobs=$((jobs + 1))
  done
  for ((; jobs > 0; jobs--)); do
    wait -n || failed=1
  done
  running=()
  return "$failed"
}

# differences OPTION...: runs the probes on the available clients.
differences() {
  local clients=(--go "$work/consume")
  if has_java; then
    clients+=(--java "$work/java/classes:$(<"$work/classpath")")
  fi
  "$bin/interop_differences" --ours "$bin/interop_consume" "${clients[@]}" "$@"
}

build
if has_java; then
  build_java
else
  echo "interop: Java or Maven is not installed, skipping the Java SDK"
  all_with_java=()
fi
page=$root/docs/sdk-differences.md
if [ "${1:-}" = --table ]; then
  shift
  # With probe names, only print their rows. The page needs all rows.
  [ $# -gt 0 ] || set -- --write "$page"
  differences "$@"
elif [ $# -gt 0 ]; then
  run_all "$@"
else
  # Start the longest scenarios first, which shortens the total time.
  run_all "${all_with_java[@]}" "${all[@]}"
  "$bin/interop_differences" --ours "$bin/interop_consume" --check "$page"
fi
