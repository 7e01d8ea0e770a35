#!/bin/bash
# Prints a folder of kernel headers that bcc's tools compile against, for `make bench`. Where the
# running kernel has none of its own, the distribution's are merged into the build folder: the tools
# only need types that are the same everywhere. Prints nothing when there are none.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
merged=$root/build/backends/kernel-headers

[ ! -e "/lib/modules/$(uname -r)/build" ] || exit 0
arch=$(ls -d /usr/src/linux-headers-*-"$(dpkg --print-architecture)" 2>/dev/null | sort -V | tail -n 1)
common=${arch%-*}-common
[ -d "$arch" ] && [ -d "$common" ] || exit 0
if [ ! -f "$merged/.of" ] || [ "$(cat "$merged/.of")" != "$arch" ]; then
  rm -rf "$merged"
  mkdir -p "$merged"
  cp -as "$common/." "$merged/"
  cp -as --remove-destination "$arch/." "$merged/"
  # The kernel's type-checking min() calls a helper that the BPF back end of bcc refuses.
  rm "$merged/include/linux/minmax.h"
  cat >"$merged/include/linux/minmax.h" <<'HEADER'
#define min(x, y) ((x) < (y) ? (x) : (y))
#define max(x, y) ((x) > (y) ? (x) : (y))
#define min3(x, y, z) min(min(x, y), z)
#define max3(x, y, z) max(max(x, y), z)
#define min_t(type, x, y) min((type)(x), (type)(y))
#define max_t(type, x, y) max((type)(x), (type)(y))
#define clamp(v, lo, hi) min(max(v, lo), hi)
#define clamp_t(type, v, lo, hi) clamp((type)(v), (type)(lo), (type)(hi))
#define clamp_val(v, lo, hi) clamp_t(typeof(v), v, lo, hi)
#define min_not_zero(x, y) ((x) == 0 ? (y) : ((y) == 0 ? (x) : min(x, y)))
#define swap(a, b) do { typeof(a) t_ = (a); (a) = (b); (b) = t_; } while (0)
HEADER
  echo "$arch" >"$merged/.of"
fi
echo "$merged"
