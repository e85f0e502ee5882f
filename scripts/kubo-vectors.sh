#!/bin/sh
# Checks the CID vectors against real Kubo: builds it (Go is needed), gives it the same bytes, compares.
# `scripts/kubo-vectors.sh [path of an ipfs binary]`. Nothing is added to any network: `--only-hash`.
set -eu

version=v0.42.0
root=$(cd "$(dirname "$0")/.." && pwd)
vectors="$root/packages/node/test/vectors"
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

ipfs=${1:-}
if [ -z "$ipfs" ]; then
  # `go install …@version` refuses modules with replace directives, so the module's source is built in place.
  source=$(cd "$work" && go mod download -json "github.com/ipfs/kubo@$version" | sed -n 's/^[[:space:]]*"Dir": "\(.*\)",$/\1/p')
  cp -r "$source" "$work/kubo"
  chmod -R u+w "$work/kubo"
  ipfs="$work/ipfs"
  (cd "$work/kubo" && go build -trimpath -o "$ipfs" ./cmd/ipfs)
fi

export IPFS_PATH="$work/repo"
"$ipfs" init --empty-repo >/dev/null
"$ipfs" config profile apply unixfs-v1-2025 >/dev/null
echo "$("$ipfs" version)"

node="$root/node_modules/.bin/node"
"$node" -e '
  const { vectors } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"))
  for (const { size, cid } of vectors) console.log(size, cid)
' "$vectors/unixfs-v1-2025.json" >"$work/vectors"

wrong=0
while read -r size cid; do
  got=$("$node" "$vectors/vector-bytes.ts" "$size" | "$ipfs" add --only-hash --quieter)
  if [ "$got" = "$cid" ]; then
    echo "ok     $size $cid"
  else
    echo "WRONG  $size: the vector says $cid, Kubo says $got"
    wrong=1
  fi
done <"$work/vectors"
exit "$wrong"
