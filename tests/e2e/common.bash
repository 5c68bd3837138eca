# Shared by the end-to-end tests. $MERGANSER is the built program; the current folder is the repository's root.
set -euo pipefail
: "${MERGANSER:?the built program}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# expect STATUS TEXT COMMAND...: the command ends with STATUS and says TEXT in exactly one line on stderr.
expect() {
    local status=$1 text=$2 got=0
    shift 2
    "$@" > "$work/stdout" 2> "$work/stderr" || got=$?
    [ "$got" = "$status" ] || die "'$*' ended with $got, not $status: $(cat "$work/stderr")"
    grep -qF -- "$text" "$work/stderr" || die "'$*' should say '$text', but says: $(cat "$work/stderr")"
    [ "$status" = 0 ] || [ "$(wc -l < "$work/stderr")" = 1 ] || die "'$*' says more than one line: $(cat "$work/stderr")"
}
