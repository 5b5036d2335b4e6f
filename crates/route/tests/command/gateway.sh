#!/usr/bin/env bash
# A gateway for tests: keeps each service's state in a file of $1, and a line per hook in $1/log.
# A file $1/trouble is run first, so that a test can make it fail, hang or talk.
set -eu
folder=$1 hook=$2
state=$(cat)
service=${state#*'"service":"'}
service=${service%%'"'*}
epoch=${state##*'"epoch":'}
epoch=${epoch%'}'}
if [ -e "$folder/trouble" ]; then . "$folder/trouble"; fi
if [ "$hook" != view ]; then
  printf '%s %s\n' "$hook" "$state" >>"$folder/log"
  printf '%s' "$epoch" >"$folder/$service.epoch"
  exit 0
fi
follows=false
if [ "$(cat "$folder/$service.epoch" 2>/dev/null || true)" = "$epoch" ]; then follows=true; fi
printf '{"nodes": [{"node": "node-1", "follows": %s}]}\n' "$follows"
