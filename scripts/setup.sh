# Shared by ./demo, ./test and .ci/run: what is missing is named and, where that is allowed, installed; then the build.
# Source it with the repository's root as the current folder.

# packages GROUP...: installs what packages.txt lists for these groups and this machine lacks.
packages() {
    command -v dpkg-query > /dev/null || return 0    # not Debian: CMake names what it does not find
    local missing="" group package
    while read -r group package; do
        case " $* " in *" $group "*) ;; *) continue ;; esac
        dpkg-query -W -f='${Status}' "$package" 2> /dev/null | grep -q "install ok installed" || missing="$missing $package"
    done < packages.txt
    [ -n "$missing" ] || return 0
    local install="apt-get install -y --no-install-recommends$missing"
    if [ "$(id -u)" = 0 ]; then
        echo "Missing packages; running: $install" >&2
        apt-get update -q > /dev/null && DEBIAN_FRONTEND=noninteractive $install > /dev/null
    elif command -v sudo > /dev/null && sudo -n true 2> /dev/null; then
        echo "Missing packages; running: sudo $install" >&2
        sudo apt-get update -q > /dev/null && sudo DEBIAN_FRONTEND=noninteractive $install > /dev/null
    else
        echo "Missing packages. Run this, then start again:" >&2
        echo "    sudo $install" >&2
        exit 1
    fi
}

# build PRESET [TARGET...]: configures once, builds what changed. Extra CMake settings in CMAKE_SETTINGS.
build() {
    local preset=$1 log
    shift
    log=build/$preset/build.log
    mkdir -p "build/$preset"
    [ -f "build/$preset/Makefile" ] || cmake --preset "$preset" ${CMAKE_SETTINGS:-} > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
    cmake --build "build/$preset" -j "$(nproc)" ${1:+--target "$@"} > "$log" 2>&1 || { grep -E "error|warning|Error" "$log" >&2 || tail -20 "$log" >&2; exit 1; }
}
