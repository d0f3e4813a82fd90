#!/usr/bin/env bash
# Official SDKs against the emulator, alone and beside our own client. One
# verdict a line; ends with 1 if one of them is bad. Needs Go (the module proxy
# for the first run); without Go there is nothing to run.
#
#   tests/interop/run.sh [SCENARIO...]
set -euo pipefail
cd "$(dirname "$0")"
here=$PWD
root=$(cd ../.. && pwd)

if ! command -v go >/dev/null; then
  echo "interop: Go is not installed, nothing was tested"
  exit 0
fi

work=$(mktemp -d)
declare -A running=() # what was started, by pid
failed=0

cleanup() {
  local status=$?
  for pid in "${!running[@]}"; do
    kill -9 "$pid" 2>/dev/null || true
  done
  if [ "$status" -eq 0 ]; then
    rm -rf "$work"
  else
    echo "interop: logs and records are in $work"
  fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- programs ---------------------------------------------------------------

build() {
  cargo build --quiet --locked --manifest-path "$root/Cargo.toml" --example emulator --example tail
  local target
  target=$(cargo metadata --manifest-path "$root/Cargo.toml" --format-version 1 --no-deps |
    sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
  bin=$target/debug/examples
  (cd "$here/go" && go test ./check >/dev/null && go build -o "$work/" ./meta ./consume ./check)
}

has_java() {
  command -v java >/dev/null && command -v mvn >/dev/null
}

build_java() {
  local maven="$work/maven.log"
  if ! (cd "$here/java" && mvn -q -B compile dependency:build-classpath \
    -DbuildDirectory="$work/java" -Dmdep.outputFile="$work/classpath") >"$maven" 2>&1; then
    cat "$maven"
    return 1
  fi
}

# start NAME COMMAND...: in the background and in a folder of its own, as the
# SDKs leave log files where they run. Sets pid.
start() {
  local name=$1
  shift
  mkdir -p "$dir/$name"
  (cd "$dir/$name" && exec "$@") >"$dir/$name/log" 2>&1 &
  pid=$!
  running[$pid]=$name
}

# stop PID: asks it to end and waits; says so if it did not end well.
stop() {
  kill -TERM "$1" 2>/dev/null || true
  local status=0
  wait "$1" || status=$?
  local name=${running[$1]}
  unset "running[$1]"
  if [ "$status" -ne 0 ]; then
    note="$note; $name ended with $status: $(tail -n 1 "$dir/$name/log")"
  fi
}

# emulator OPTION...: starts one and takes over the lines it prints.
emulator() {
  mkfifo "$dir/announced"
  "$bin/emulator" --partitions 4 --expect-file "$dir/expect.jsonl" "$@" \
    >"$dir/announced" 2>"$dir/emulator.log" &
  emulator_pid=$!
  running[$emulator_pid]=emulator
  mkdir -p "$dir/emulator"
  ln -sf ../emulator.log "$dir/emulator/log"
  local lines
  # Ends when the fourth line is there, or the emulator is not.
  lines=$(head -n 4 "$dir/announced")
  if [ "$(wc -l <<<"$lines")" -ne 4 ]; then
    echo "interop: the emulator did not start: $(cat "$dir/emulator.log")"
    exit 1
  fi
  eval "$lines"
}

go_consumer() { # NAME [OPTION...]
  local name=$1
  shift
  : >"$dir/$name.jsonl"
  start "$name" "$work/consume" -out "$dir/$name.jsonl" "$@"
}

java_consumer() { # NAME TYPE
  : >"$dir/$1.jsonl"
  start "$1" java -cp "$work/java/classes:$(<"$work/classpath")" interop.Consume \
    orders interop "$2" "$dir/$1.jsonl"
}

our_consumer() { # NAME
  : >"$dir/$1.jsonl"
  start "$1" bash -c 'exec "$0" orders interop --json >"$1"' "$bin/tail" "$dir/$1.jsonl"
}

check() {
  "$work/check" -expect "$dir/expect.jsonl" "$@"
}

# --- scenarios --------------------------------------------------------------
# Each sets verdict (what the check says) and returns whether it is good.

# judge [OPTION...] -- PID...: waits until all was seen, stops the consumers,
# and judges what they have seen by then.
judge() {
  local options=()
  while [ "$1" != "--" ]; do
    options+=("$1")
    shift
  done
  shift
  check -wait 60s "${options[@]}" "$dir"/seen-*.jsonl >/dev/null || true
  for consumer in "$@"; do
    stop "$consumer"
  done
  verdict=$(check "${options[@]}" "$dir"/seen-*.jsonl)
}

scenario_go_meta() {
  emulator --rows 100
  verdict=$(cd "$dir" && "$work/meta" 2>&1)
}

scenario_go_base() {
  emulator --rows 3000 --batch-rows 500 --write-changes 40 --write-for-ms 1000
  go_consumer seen-1 -type BaseData
  judge -type BaseData -- "$pid"
}

scenario_go_stream() {
  emulator --rows 500 --write-changes 2000 --write-for-ms 4000
  go_consumer seen-1 -type Stream
  judge -type Stream -- "$pid"
}

scenario_go_split() {
  emulator --rows 3000 --batch-rows 500 --write-changes 3000 --write-for-ms 8000 --split-after-ms 4000
  go_consumer seen-1
  judge -- "$pid"
}

scenario_go_two_workers() {
  emulator --rows 3000 --batch-rows 500 --write-changes 3000 --write-for-ms 10000 \
    --wait-for-clients 2 --split-after-ms 5000
  go_consumer seen-1
  local first=$pid
  go_consumer seen-2
  judge -share -- "$first" "$pid"
}

# A worker is killed in the middle, another goes on from its checkpoints.
scenario_go_killed() {
  emulator --rows 3000 --batch-rows 100 --write-changes 3000 --write-for-ms 8000
  go_consumer seen-1
  check -at-least 4000 -wait 60s "$dir/seen-1.jsonl" >/dev/null || return 1
  kill -9 "$pid"
  wait "$pid" 2>/dev/null || true
  unset "running[$pid]"
  go_consumer seen-2
  judge -share -- "$pid"
}

scenario_ours_split() {
  emulator --rows 3000 --batch-rows 500 --write-changes 3000 --write-for-ms 12000 --split-after-ms 6000
  our_consumer seen-1
  judge -- "$pid"
}

scenario_go_and_ours() {
  emulator --rows 3000 --batch-rows 500 --write-changes 5000 --write-for-ms 25000 \
    --wait-for-clients 2 --split-after-ms 12000
  go_consumer seen-1
  local go=$pid
  our_consumer seen-2
  judge -share -- "$go" "$pid"
}

scenario_java_split() {
  emulator --rows 3000 --batch-rows 500 --write-changes 3000 --write-for-ms 12000 --split-after-ms 6000
  java_consumer seen-1 BaseAndStream
  judge -- "$pid"
}

scenario_java_and_ours() {
  emulator --rows 3000 --batch-rows 500 --write-changes 5000 --write-for-ms 25000 \
    --wait-for-clients 2 --split-after-ms 12000
  java_consumer seen-1 BaseAndStream
  local java=$pid
  our_consumer seen-2
  judge -share -- "$java" "$pid"
}

# --- all of them ------------------------------------------------------------

# rules: what the emulator says about those that were broken. The SDKs are as
# they are; our own client breaks none.
rules() {
  local broken
  broken=$(grep -o '^[A-Za-z]* by client' "$dir/emulator.log" | sort | uniq -c | awk '{print $2 " " $1}' | paste -sd, || true)
  [ -n "$broken" ] || return 0
  verdict+=", rules broken: $broken"
  if [[ $name == ours_* ]]; then
    word=FAILED
  fi
}

run() {
  local name=$1 begun=$SECONDS
  dir=$work/$name note="" verdict=""
  mkdir "$dir"
  local word=ok
  "scenario_$name" || word=FAILED
  stop "$emulator_pid"
  rules
  [ -z "$note" ] || word=FAILED
  printf '%-6s %-16s %3ds  %s%s\n' "$word" "$name" "$((SECONDS - begun))" "$verdict" "$note"
  [ "$word" = ok ] || failed=1
}

go_scenarios=(go_meta go_base go_stream go_split go_two_workers go_killed ours_split go_and_ours)
java_scenarios=(java_split java_and_ours)

build
if [ $# -eq 0 ]; then
  set -- "${go_scenarios[@]}"
  if has_java; then
    set -- "$@" "${java_scenarios[@]}"
  else
    echo "interop: Java or Maven is not installed, that SDK was not tested"
  fi
fi
if [[ " $* " == *" java_"* ]]; then
  build_java
fi
for scenario in "$@"; do
  run "$scenario"
done
exit "$failed"
