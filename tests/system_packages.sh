#!/bin/sh
# Installs with apt the programs that are missing, as root or through a sudo that asks no password; else says what to do.
#   system_packages.sh venv PYTHON   what PYTHON needs to create environments (without it nothing can go on)
#   system_packages.sh tests         what the tests run beside vedette (without it those tests are skipped)
set -eu
PATH="$PATH:/usr/sbin:/sbin"

has() {
    for program in "$@"; do
        if command -v "$program" >/dev/null 2>&1; then return 0; fi
    done
    return 1
}

missing=""
case "$1" in
venv)
    if [ -z "${2-}" ]; then
        echo "Python 3.11, 3.12 or 3.13 is needed and none was found; install one, for example:" >&2
        echo "    apt-get install -y python3 python3-venv    (Debian 12 and newer, Raspberry Pi OS, Ubuntu 24.04)" >&2
        echo "or name it: make PYTHON=/path/to/python3.11 install" >&2
        exit 1
    fi
    "$2" -c 'import ensurepip, venv' 2>/dev/null ||
        missing="python$("$2" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    ;;
tests)
    has mosquitto || missing="$missing mosquitto"
    has mosquitto_sub || missing="$missing mosquitto-clients"
    has minisign || missing="$missing minisign"
    has chromium chromium-browser google-chrome || missing="$missing chromium"
    has strace || missing="$missing strace"
    has lintian || missing="$missing lintian"
    has systemd-analyze || missing="$missing systemd"
    has faketime || missing="$missing faketime"
    has qemu-aarch64-static qemu-aarch64 || missing="$missing qemu-user-static"
    has gcc || missing="$missing gcc libc6-dev"
    has g++ || missing="$missing g++"
    has cmake || missing="$missing cmake"
    has arm-none-eabi-gcc || missing="$missing gcc-arm-none-eabi"
    [ -d /usr/lib/arm-none-eabi/newlib ] || missing="$missing libnewlib-arm-none-eabi"
    has qemu-system-arm || missing="$missing qemu-system-arm"
    has aarch64-linux-gnu-gcc || missing="$missing gcc-aarch64-linux-gnu libc6-dev-arm64-cross"
    has riscv64-linux-gnu-gcc || missing="$missing gcc-riscv64-linux-gnu libc6-dev-riscv64-cross"
    [ -d /usr/share/zoneinfo/Europe ] || missing="$missing tzdata"
    ;;
*)
    echo "usage: system_packages.sh venv PYTHON | tests" >&2
    exit 2
    ;;
esac
if [ -z "$missing" ]; then exit 0; fi

unresolved() {
    echo "These packages are missing:$missing. Install them with:" >&2
    echo "    sudo apt-get update && sudo apt-get install -y$missing" >&2
    if [ "$1" = venv ] || [ "${CI-}" = true ]; then exit 1; fi
    echo "Until then the tests that need them are skipped." >&2
    exit 0
}

missing=" ${missing# }"
has apt-get || unresolved "$1"
if [ "$(id -u)" = 0 ]; then
    as_root=""
elif has sudo && sudo -n true 2>/dev/null; then
    as_root="sudo -n"
else
    unresolved "$1"
fi

had_broker=$(has mosquitto && echo yes || echo no)
echo "installing with apt:$missing" >&2
$as_root apt-get update -qq || true
for package in $missing; do
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
        failed="${failed-} $package"
done
# The tests start brokers of their own; the service that the package starts is not needed.
if [ "$had_broker" = no ] && has mosquitto && has systemctl; then
    $as_root systemctl disable --now --quiet mosquitto 2>/dev/null || true
fi
if [ -n "${failed-}" ]; then
    missing="$failed"
    unresolved "$1"
fi
