#!/usr/bin/env bash
# Install a built wheel alone into an empty environment, with an empty home, and run the main job.
# usage: tests/try_wheel.sh WHEEL
set -euo pipefail
wheel=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install --quiet "$wheel"
mkdir "$scratch/home" && cd "$scratch/home"
run() { env -i HOME="$scratch/home" PATH="$scratch/venv/bin:/usr/bin:/bin" "$@"; }
run hookkit --version
run hookkit install claude-code
run hookkit doctor
run hookkit demo >"$scratch/demo.txt"
run hookkit list
run hookkit remove claude-code --purge
tail -n 3 "$scratch/demo.txt"
left=$(find "$scratch/home" -mindepth 1)
[ -z "$left" ] || { printf 'left behind:\n%s\n' "$left" >&2; exit 1; }
