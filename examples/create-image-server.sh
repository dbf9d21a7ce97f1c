#!/usr/bin/env bash
# Create an image server with curl and wait for it:
#
#     examples/create-image-server.sh my-data/credentials.json REQUEST.json
#
# src/goldsmith/demo/published-request.json is a request that works with every new data folder.
set -euo pipefail
usage="usage: $0 CREDENTIALS.json REQUEST.json"
credentials=${1:?$usage}
request=${2:?$usage}

field() { # field NAME: of the JSON on standard input
  python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

login() {
  python3 -c '
import json, sys
me = json.load(sys.stdin)
user = {"name": me["user_name"], "password": me["password"], "domain": {"name": me["domain_name"]}}
identity = {"methods": ["password"], "password": {"user": user}}
print(json.dumps({"auth": {"identity": identity, "scope": {"project": {"id": me["project_id"]}}}}))
' <"$credentials"
}

endpoint=$(field endpoint <"$credentials")
url=$endpoint/v1/$(field project_id <"$credentials")
token=$(login | curl -sf -o /dev/null -D - -H 'Content-Type: application/json' -d @- "$endpoint/v3/auth/tokens" |
  awk 'tolower($1) == "x-subject-token:" {print $2}' | tr -d '\r')

api() { curl -sS --fail-with-body -H "X-Auth-Token: $token" -H 'Content-Type: application/json' "$@"; }

job=$(api --data-binary "@$request" "$url/image-servers" | field job_id)
echo "job $job" >&2
until state=$(api "$url/image-server-jobs/$job") && [[ $(field status <<<"$state") =~ SUCCESS|FAILED ]]; do
  sleep 1
done
printf '%s\n' "$state"
[ "$(field status <<<"$state")" = SUCCESS ]
