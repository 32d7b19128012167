#!/bin/sh
# Runs `candora-ci emit` with the inputs of a CI package, after installing it if asked to. GitHub's action runs this
# file; GitLab's component and Jenkins' library hold copies of it, and a test compares them.
#
# An input `since-tag` comes as CANDORA_INPUT_SINCE_TAG and becomes one argument, --since-tag=VALUE: no shell reads what
# is in it. Ends with 0 or with the exit codes of `candora-ci emit`; what cannot be installed is as Kafka being away.
# CANDORA_RESULTS: a file that gets CANDORA_STATUS, CANDORA_EVENT_ID, CANDORA_PARTITION and CANDORA_OFFSET as NAME=VALUE.
set -eu

yes() { # yes VALUE: whether an input or a variable of candora-ci says so
  case "${1% }" in 1 | [Tt][Rr][Uu][Ee] | [Yy][Ee][Ss] | [Oo][Nn]) return 0 ;; *) return 1 ;; esac
}

on() { # on INPUT VALUE: whether a switch is on; GitLab's have a space behind them
  case "${2% }" in
    true) return 0 ;;
    false | '') return 1 ;;
  esac
  wrong "$1: expected true or false"
}

annotation() { # annotation LEVEL TEXT: told to people; GitHub shows it on the job's page
  if [ "${GITHUB_ACTIONS-}" = true ]; then
    printf '::%s title=candora::%s\n' "$1" "$2"
  else
    printf 'candora: %s: %s\n' "$1" "$2" >&2
  fi
}

result() { # result STATUS: what became of it, where candora-ci did not run to say so itself
  if [ -n "${GITHUB_OUTPUT-}" ]; then printf 'status=%s\n' "$1" >>"$GITHUB_OUTPUT"; fi
  if [ -n "${CANDORA_RESULTS-}" ]; then printf 'CANDORA_STATUS=%s\n' "$1" >"$CANDORA_RESULTS"; fi
}

forgiving() { # whether a failure is none
  yes "${CANDORA_INPUT_ALLOW_FAILURE-}" || yes "${CANDORA_ALLOW_FAILURE-}"
}

wrong() { # wrong TEXT: the caller has to mend something
  annotation error "$1"
  result not_sent
  if forgiving; then exit 0; fi
  exit 2
}

from_a_fork() { # whether this is the build of a request from somebody else's repository
  [ "${CANDORA_FORK-}" = true ] || [ -n "${CHANGE_FORK-}" ] ||
    [ "${CI_MERGE_REQUEST_SOURCE_PROJECT_PATH-}" != "${CI_MERGE_REQUEST_PROJECT_PATH-}" ]
}

has_no_secrets() { # whether what proves this job to Kafka or the sidecar was withheld
  case ${CANDORA_INPUT_SIDECAR:-${CANDORA_SIDECAR_URL-}} in
    '') # the address is missing, or a setting is there and empty
      [ -z "${CANDORA_INPUT_BOOTSTRAP_SERVERS:-${CANDORA_KAFKA_BOOTSTRAP_SERVERS-}}" ] || env | grep -q '^KAFKA_[A-Z_]*=$'
      ;;
    http://*) return 1 ;; # one beside the job, which may ask for nothing
    *) # any of these will do
      [ -z "${CANDORA_SIDECAR_TOKEN-}${CANDORA_SIDECAR_TOKEN_FILE-}${CANDORA_SIDECAR_CERTIFICATE_FILE-}" ] &&
        [ -z "${CANDORA_ID_TOKEN-}${ACTIONS_ID_TOKEN_REQUEST_TOKEN-}" ]
      ;;
  esac
}

if [ "${RUNNER_OS-}" = Windows ]; then wrong 'candora runs on Linux and macOS'; fi

# --- what is asked ------------------------------------------------------------------------------------------------------
event=${CANDORA_INPUT_EVENT-}
case $event in
  '' | *[!abcdefghijklmnopqrstuvwxyz_]*) wrong 'event: expected one of the ten types, such as commit_created' ;;
esac
version=${CANDORA_INPUT_VERSION-}
case $version in
  *[!0123456789abcdefghijklmnopqrstuvwxyz.+]*) wrong 'version: expected one version, such as 0.1.0' ;;
esac
requirements=${CANDORA_INPUT_REQUIREMENTS-}
if [ -n "$requirements" ]; then
  case $requirements in /*) ;; *) requirements=./$requirements ;; esac
  if [ ! -f "$requirements" ]; then wrong "requirements: there is no such file"; fi
fi

lines() { # lines BEFORE TEXT: each line of the text that is not empty, with BEFORE in front
  while IFS= read -r line; do
    if [ -n "$line" ]; then printf '%s%s\n' "$1" "$line"; fi
  done <<END
$2
END
}

set -- emit "$event"
set -- "$@" ${CANDORA_INPUT_ENV:+"--env=$CANDORA_INPUT_ENV"}
set -- "$@" ${CANDORA_INPUT_SHA:+"--sha=$CANDORA_INPUT_SHA"}
set -- "$@" ${CANDORA_INPUT_CHANGE:+"--change=$CANDORA_INPUT_CHANGE"}
set -- "$@" ${CANDORA_INPUT_DEPLOYMENT:+"--deployment=$CANDORA_INPUT_DEPLOYMENT"}
set -- "$@" ${CANDORA_INPUT_INCIDENT:+"--incident=$CANDORA_INPUT_INCIDENT"}
set -- "$@" ${CANDORA_INPUT_ARTIFACT_DIGEST:+"--artifact-digest=$CANDORA_INPUT_ARTIFACT_DIGEST"}
set -- "$@" ${CANDORA_INPUT_LANE:+"--lane=$CANDORA_INPUT_LANE"}
set -- "$@" ${CANDORA_INPUT_TRIGGER:+"--trigger=$CANDORA_INPUT_TRIGGER"}
set -- "$@" ${CANDORA_INPUT_REASON:+"--reason=$CANDORA_INPUT_REASON"}
set -- "$@" ${CANDORA_INPUT_SEVERITY:+"--severity=$CANDORA_INPUT_SEVERITY"}
set -- "$@" ${CANDORA_INPUT_TITLE:+"--title=$CANDORA_INPUT_TITLE"}
set -- "$@" ${CANDORA_INPUT_SINCE:+"--since=$CANDORA_INPUT_SINCE"}
set -- "$@" ${CANDORA_INPUT_SINCE_TAG:+"--since-tag=$CANDORA_INPUT_SINCE_TAG"}
set -- "$@" ${CANDORA_INPUT_PROVENANCE:+"--provenance=$CANDORA_INPUT_PROVENANCE"}
set -- "$@" ${CANDORA_INPUT_BOOTSTRAP_SERVERS:+"--bootstrap-servers=$CANDORA_INPUT_BOOTSTRAP_SERVERS"}
set -- "$@" ${CANDORA_INPUT_SIDECAR:+"--sidecar=$CANDORA_INPUT_SIDECAR"}
set -- "$@" ${CANDORA_INPUT_TOPIC_PREFIX:+"--topic-prefix=$CANDORA_INPUT_TOPIC_PREFIX"}
set -- "$@" ${CANDORA_INPUT_SCHEMA_REGISTRY:+"--schema-registry=$CANDORA_INPUT_SCHEMA_REGISTRY"}
set -- "$@" ${CANDORA_INPUT_TIMEOUT:+"--timeout=$CANDORA_INPUT_TIMEOUT"}
set -- "$@" ${CANDORA_INPUT_SPOOL:+"--spool=$CANDORA_INPUT_SPOOL"}
if on fetch-history "${CANDORA_INPUT_FETCH_HISTORY-}"; then set -- "$@" --fetch-history; fi
if on strict "${CANDORA_INPUT_STRICT-}"; then set -- "$@" --strict; fi
if on allow-failure "${CANDORA_INPUT_ALLOW_FAILURE-}"; then set -- "$@" --allow-failure; fi
if on explain "${CANDORA_INPUT_EXPLAIN-}"; then set -- "$@" --explain; fi
dry_run=false
if on dry-run "${CANDORA_INPUT_DRY_RUN-}"; then
  dry_run=true
  set -- "$@" --dry-run
fi
while IFS= read -r argument; do
  if [ -n "$argument" ]; then set -- "$@" "$argument"; fi
done <<END
$(lines --service= "${CANDORA_INPUT_SERVICE-}")
$(lines --junit= "${CANDORA_INPUT_JUNIT-}")
$(lines --coverage= "${CANDORA_INPUT_COVERAGE-}")
$(lines --coverage-threshold= "${CANDORA_INPUT_COVERAGE_THRESHOLD-}")
$(lines --trivy= "${CANDORA_INPUT_TRIVY-}")
$(lines --sbom= "${CANDORA_INPUT_SBOM-}")
$(lines --conftest= "${CANDORA_INPUT_CONFTEST-}")
$(lines --analysis-run= "${CANDORA_INPUT_ANALYSIS_RUN-}")
$(lines '' "${CANDORA_INPUT_ARGS-}")
END

if [ "$dry_run" = false ] && from_a_fork && has_no_secrets; then
  annotation notice "$event is not reported: the build of a fork has no secrets"
  result skipped
  exit 0
fi

# --- the command --------------------------------------------------------------------------------------------------------
python_command() { # the first Python that is new enough
  for python in python3 python3.14 python3.13 python3.12 python3.11; do
    if "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$python"
      return 0
    fi
  done
  echo 'there is no Python 3.11 or newer on PATH' >&2
  return 1
}

install() { # install VENV: make it, with what was asked for. Its parts are joined by &&, for in a condition -e is off
  # -I: nothing that lies in the working directory or in PYTHONPATH is run instead of venv and pip.
  python=$(python_command) && "$python" -I -m venv --clear "$1" || return 1
  set -- "$1/bin/python" -I -m pip --disable-pip-version-check --no-input install --quiet
  if [ -n "$requirements" ]; then
    "$@" --require-hashes -r "$requirements"
  elif [ -n "$version" ]; then
    "$@" "candora==$version"
  else
    "$@" --require-hashes -r "$CANDORA_SOURCE/deploy/ci/github/requirements.txt" &&
      "$@" --no-index --no-deps --no-build-isolation "$CANDORA_SOURCE"
  fi
}

command=candora-ci
if [ -n "$requirements$version${CANDORA_SOURCE-}" ]; then
  folder=${RUNNER_TEMP:-${WORKSPACE_TMP:-}}
  if [ -z "$folder" ]; then folder=$(mktemp -d); fi
  folder=$folder/candora/$(printf '%s' "$version${CANDORA_SOURCE-}" | cat - ${requirements:+"$requirements"} | cksum | tr ' ' -)
  command=$folder/venv/bin/candora-ci
  if [ ! -e "$folder/ready" ]; then # a later step of the job finds it
    mkdir -p "$folder/bin"
    if ! install "$folder/venv"; then
      annotation error "$event is not reported: candora could not be installed"
      result not_sent
      if forgiving; then exit 0; fi
      if yes "${CANDORA_INPUT_STRICT-}" || yes "${CANDORA_STRICT-}"; then exit 5; fi
      exit 0
    fi
    ln -sf "$command" "$folder/bin/candora-ci"
    touch "$folder/ready"
  fi
  # For `run: candora-ci drain`. The folder has nothing else: the job's own python and pip stay what they are.
  if [ -n "${GITHUB_PATH-}" ]; then printf '%s\n' "$folder/bin" >>"$GITHUB_PATH"; fi
elif ! command -v candora-ci >/dev/null; then
  wrong 'candora-ci is not on PATH: install it, or give version or requirements'
fi

if [ -z "${CANDORA_RESULTS-}" ]; then
  result not_sent # until candora-ci says what became of it; the last word counts
  exec "$command" "$@"
fi

# --- what became of it --------------------------------------------------------------------------------------------------
values() { # values FIELD: what it is in each event, commas between; at most forty, for GitLab takes 5 KB
  sed -n "s/.*\"$1\": *\"\{0,1\}\([A-Za-z0-9_.-]*\).*/\1/p" "$CANDORA_RESULTS.json" | head -n 40 | paste -s -d , -
}

code=0
"$command" "$@" --json >"$CANDORA_RESULTS.json" || code=$?
cat "$CANDORA_RESULTS.json"
status=not_sent
if [ "$code" -eq 0 ] && ! forgiving; then status=nothing; fi
if [ "$code" -eq 0 ] && [ "$dry_run" = true ]; then status=dry_run; fi
for each in not_sent skipped spooled accepted delivered; do # the worst that became of one is what became of all
  if grep -q "\"status\": \"$each\"" "$CANDORA_RESULTS.json"; then
    status=$each
    break
  fi
done
result "$status"
for field in event_id partition offset; do
  value=$(values "$field")
  if [ -n "$value" ]; then printf 'CANDORA_%s=%s\n' "$(printf '%s' "$field" | tr a-z_ A-Z_)" "$value" >>"$CANDORA_RESULTS"; fi
done
rm "$CANDORA_RESULTS.json"
exit "$code"
