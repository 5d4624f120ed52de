# shellcheck shell=bash
# Builds the program and starts it.

dev_run() {
  local demo=
  case ${1-} in
    '') ;;
    --demo) demo=yes ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
  local programs=${NEXUS_DEV_PROGRAMS-}
  if [[ -z $programs ]]; then
    need_cargo
    packages_for build
    [[ -x $target/release/nexus ]] || say 'Building. The first time that takes some ten minutes.'
    build_release nexus nexus-window ${demo:+fake-model}
    programs=$target/release
  fi
  local how=()
  [[ -n ${DISPLAY-}${WAYLAND_DISPLAY-} ]] || how=(--headless)
  if [[ $demo ]]; then
    run_demo "$programs" "${how[@]}"
  else
    # Found by the program as any other on the PATH, after those the user has installed.
    if ! command -v opencode >/dev/null; then
      need_opencode
      PATH=$PATH:$opencode_home/bin
    fi
    commands_at "$programs"
    exec "$programs/nexus" run "${how[@]}"
  fi
}

# commands_at FOLDER [HOME]: how to speak to what is about to run.
commands_at() {
  say 'To speak to it from another terminal, first:'
  say "  export PATH=\"$1:\$PATH\"${2:+ NEXUS_HOME=\"$2\"}"
}

# The agent with a scripted model, in folders of its own. Both end with this script.
run_demo() {
  local programs=$1 home=${NEXUS_DEV_DEMO_HOME:-$cache/demo} address
  shift
  need_opencode
  mkdir -p "$home"
  chmod 700 "$home"
  demo_project "$home/projects/hello"
  # The model ends when its standard input does: with this script, however it ends.
  coproc model { exec "$programs/fake-model"; }
  # shellcheck disable=SC2154 # set by coproc
  read -r -t 30 _ address <&"${model[0]}" || die 1 'The scripted model did not start.'
  say "The model is scripted and speaks on $address only. Write anything, or [[markdown:400]] [[rate:40]]."
  commands_at "$programs" "$home/nexus"
  say 'Ctrl-C ends it.'

  demo_environment "$home"
  nexus() { env "${demo_environment[@]}" "$programs/nexus" "$@"; }
  nexus settings set opencode.path "$opencode_home/bin/opencode" >/dev/null
  nexus settings set opencode.ask commands_and_edits >/dev/null
  nexus settings set opencode.env "$("$programs/fake-model" --config "$address")" >/dev/null
  nexus settings set chat.projects "[\"$home/projects/hello\"]" >/dev/null

  env "${demo_environment[@]}" "$programs/nexus" run --demo "$@" </dev/null &
  local agent=$!
  # shellcheck disable=SC2064 # the agent of now
  trap "kill -TERM $agent 2>/dev/null || true" INT TERM HUP
  local status=0
  wait "$agent" || status=$?
  # A signal ends the first wait; the agent then takes its time to end what it started.
  while kill -0 "$agent" 2>/dev/null; do
    status=0
    wait "$agent" || status=$?
  done
  exit "$status"
}

# Nothing of the user's own opencode is seen or touched, and nothing goes out.
demo_environment() {
  local home=$1 nowhere=http://127.0.0.1:9
  mkdir -p "$home/user"
  demo_environment=(
    "NEXUS_HOME=$home/nexus" "HOME=$home/user"
    "XDG_CONFIG_HOME=$home/user/.config" "XDG_DATA_HOME=$home/user/.local/share"
    "XDG_STATE_HOME=$home/user/.local/state" "XDG_CACHE_HOME=$home/user/.cache"
    OPENCODE_DISABLE_MODELS_FETCH=1 OPENCODE_DISABLE_AUTOUPDATE=1 OPENCODE_DISABLE_LSP_DOWNLOAD=1
    OPENCODE_DISABLE_DEFAULT_PLUGINS=1 OPENCODE_DISABLE_SHARE=1
    "HTTP_PROXY=$nowhere" "HTTPS_PROXY=$nowhere" "http_proxy=$nowhere" "https_proxy=$nowhere"
    "NO_PROXY=127.0.0.1,localhost" "no_proxy=127.0.0.1,localhost"
    "npm_config_registry=$nowhere" "BUN_CONFIG_REGISTRY=$nowhere"
  )
}

demo_project() {
  local folder=$1
  [[ -d $folder ]] && return
  mkdir -p "$folder/src"
  printf '# Hello\n\nA small project to try the chat in.\n' >"$folder/README.md"
  printf 'def greet(name):\n    return f"Hello, {name}"\n\n\nprint(greet("world"))\n' >"$folder/src/hello.py"
  printf 'greeting = "Hello"\n' >"$folder/settings.toml"
}
